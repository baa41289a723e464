import type { Duplex } from 'node:stream'
import { connect, type ChannelModel, type Options, type SocketOptions } from 'amqplib'
import { wait, type Clock } from '@mekong/core/driver'
import { classify, isRefusedVirtualHost, RabbitMqError } from '../rabbitmq-failures.ts'
import { gatherWrites } from './gathered-writes.ts'

export interface ConnectionSettings {
  /** Tried in turn; the first one is chosen by chance, so that clients spread over a cluster. */
  readonly endpoints: readonly Options.Connect[]
  readonly socket: SocketOptions
  readonly reconnectDelayMs: number
  readonly maxReconnectDelayMs: number
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** Who hears of a connection that comes and goes. */
export interface ConnectionWatcher {
  opened?(model: ChannelModel): void
  /** Everything that belonged to it is gone. */
  lost?(error: unknown): void
  /** The broker takes no messages: memory or disk are short. */
  blocked?(isBlocked: boolean): void
}

interface Waiter {
  readonly resolve: (model: ChannelModel) => void
  readonly reject: (error: unknown) => void
}

/** What Node takes for a socket, and the types of amqplib leave out. */
type EndableSocketOptions = SocketOptions & { readonly signal: AbortSignal }

/** How long an orderly end may take before the socket is cut. */
const closeWithinMs = 2000

/**
 * One connection that is there whenever it can be: opened when it is first asked for, opened again whenever it is lost, at
 * the next host, after a doubling pause with full jitter.
 */
export class SupervisedConnection {
  readonly watchers: Set<ConnectionWatcher> = new Set()
  readonly #settings: ConnectionSettings
  readonly #role: string
  readonly #ended = new AbortController()
  readonly #waiters = new Set<Waiter>()
  #current: ChannelModel | undefined
  #isBlocked = false
  #lastError: unknown
  #nextEndpoint: number
  #running: Promise<void> | undefined

  constructor(settings: ConnectionSettings, role: string) {
    this.#settings = settings
    this.#role = role
    this.#nextEndpoint = Math.floor(settings.random() * settings.endpoints.length)
  }

  /** Undefined while there is none. */
  get current(): ChannelModel | undefined {
    return this.#current
  }

  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** Why there is no connection. */
  get lastError(): unknown {
    return this.#lastError ?? new RabbitMqError('transient', `no ${this.#role} connection`)
  }

  /**
   * The connection, as soon as there is one. Rejects after `withinMs` with why there is none; at once when the broker will
   * not have us, or when this is closed.
   */
  opened(withinMs: number): Promise<ChannelModel> {
    if (this.#ended.signal.aborted) return Promise.reject(closed())
    this.start()
    if (this.#current !== undefined) return Promise.resolve(this.#current)
    return new Promise((resolve, reject) => {
      const cancel = this.#settings.clock.after(withinMs, () => waiter.reject(this.lastError))
      const waiter: Waiter = {
        resolve: model => (leave(), resolve(model)),
        reject: error => (leave(), reject(error)),
      }
      const leave = (): void => {
        cancel()
        this.#waiters.delete(waiter)
      }
      this.#waiters.add(waiter)
    })
  }

  start(): void {
    if (!this.#ended.signal.aborted) this.#running ??= this.#run()
  }

  /** For good. Resolves when the socket is gone. */
  async close(): Promise<void> {
    if (this.#ended.signal.aborted) return this.#running
    this.#ended.abort()
    for (const waiter of this.#waiters) waiter.reject(closed())
    const model = this.#current
    if (model !== undefined) await end(model, this.#settings.clock)
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, random, reconnectDelayMs, maxReconnectDelayMs } = this.#settings
    const { signal } = this.#ended
    for (let failures = 0; !signal.aborted;) {
      try {
        const model = await this.#open()
        failures = 0
        await this.#live(model)
      } catch (error) {
        this.#failed(error)
      }
      if (signal.aborted) return
      const boundMs = Math.min(maxReconnectDelayMs, reconnectDelayMs * 2 ** Math.min(failures++, 20))
      await wait(clock, Math.max(1, random() * boundMs), signal)
    }
  }

  async #open(): Promise<ChannelModel> {
    const { endpoints, socket: socketOptions } = this.#settings
    const endpoint = endpoints[this.#nextEndpoint++ % endpoints.length]!
    const clientProperties = { ...socketOptions.clientProperties, connection_name: `mekong ${this.#role}` }
    const attempt = this.#endableAttempt()
    const options: EndableSocketOptions = { ...socketOptions, clientProperties, signal: attempt.signal }
    const model = await connect(endpoint, options)
      .finally(attempt.end)
      .catch((error: unknown) => {
        throw isRefusedVirtualHost(error) ? refusedVirtualHost(endpoint, error) : error
      })
    // Without a listener an error of the connection ends the process.
    model.on('error', error => (this.#lastError = error))
    model.on('handler-error', error => (this.#lastError = error))
    if (this.#ended.signal.aborted) {
      await end(model, this.#settings.clock)
      throw closed()
    }
    // The broker may have closed it in one breath with opening it, before anybody could listen.
    const socket = socketOf(model)
    if (socket?.writableEnded === true) {
      cut(model)
      throw new RabbitMqError('transient', 'the broker closed the connection')
    }
    if (socket !== undefined) gatherWrites(socket)
    return model
  }

  /** Closing waits for no handshake: its socket is destroyed. An open connection ends in order. */
  #endableAttempt(): { readonly signal: AbortSignal; readonly end: () => void } {
    const attempt = new AbortController()
    const abort = (): void => attempt.abort()
    this.#ended.signal.addEventListener('abort', abort)
    return { signal: attempt.signal, end: () => this.#ended.signal.removeEventListener('abort', abort) }
  }

  /** Resolves when the connection is gone. */
  #live(model: ChannelModel): Promise<void> {
    return new Promise(resolve => {
      this.#lastError = undefined
      this.#current = model
      model.on('blocked', () => this.#setBlocked(true))
      model.on('unblocked', () => this.#setBlocked(false))
      model.on('close', error => {
        this.#lastError ??= error ?? new RabbitMqError('transient', `the ${this.#role} connection was closed`)
        this.#current = undefined
        this.#isBlocked = false
        cut(model)
        for (const watcher of this.watchers) watcher.lost?.(this.lastError)
        resolve()
      })
      for (const waiter of this.#waiters) waiter.resolve(model)
      for (const watcher of this.watchers) watcher.opened?.(model)
    })
  }

  #failed(error: unknown): void {
    this.#lastError = error
    // Waiting does not mend a wrong password.
    if (classify(error) === 'refused') for (const waiter of this.#waiters) waiter.reject(error)
  }

  #setBlocked(isBlocked: boolean): void {
    this.#isBlocked = isBlocked
    for (const watcher of this.watchers) watcher.blocked?.(isBlocked)
  }
}

async function end(model: ChannelModel, clock: Clock): Promise<void> {
  const ended = new AbortController()
  const closing = model.close().then(
    () => ended.abort(),
    () => ended.abort(),
  )
  await Promise.race([closing, wait(clock, closeWithinMs, ended.signal)])
  // With a reason, so that amqplib hears of it and says that the connection is closed.
  cut(model, closed())
}

/** amqplib ends its socket in order, which a peer that is gone never answers: the process would not end. */
function cut(model: ChannelModel, reason?: Error): void {
  socketOf(model)?.destroy(reason)
}

function socketOf(model: ChannelModel): Duplex | undefined {
  return (model.connection as { readonly stream?: Duplex }).stream
}

function refusedVirtualHost({ vhost = '' }: Options.Connect, cause: unknown): RabbitMqError {
  const name = decodeURIComponent(vhost)
  return new RabbitMqError(
    'refused',
    `virtual host ${name} does not exist, is full, or this user may not use it`,
    cause,
  )
}

function closed(): RabbitMqError {
  return new RabbitMqError('closed', 'this driver was closed')
}
