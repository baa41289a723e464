import type { ChannelModel } from 'amqplib'
import { wait, type Clock, type Fate, type Outgoing } from '@mekong/core/driver'
import type { SupervisedConnection } from './connection/supervised-connection.ts'
import { Addressing } from './publish/addressing.ts'
import { ConfirmChannel } from './publish/confirm-channel.ts'
import { KnownExchanges } from './publish/known-exchanges.ts'
import { Sending } from './publish/sending.ts'
import { propertiesOf } from './rabbitmq-message.ts'
import { classify, RabbitMqError } from './rabbitmq-failures.ts'

export interface PublisherOptions {
  readonly connection: SupervisedConnection
  readonly maxUnconfirmed: number
  readonly maxMessageBytes: number
  /** Whether messages of this topic say when they were sent. */
  readonly isReplayed: (topic: string) => boolean
  readonly clock: Clock
}

const openAgainMs = 100

/**
 * Sends on one confirm channel. What finds no room in the window, no connection, or a broker that takes nothing waits for
 * its turn until its time is up, and is `not-stored` then; what was given to the connection is `unknown` then.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #addressing = new Addressing()
  readonly #exchanges: KnownExchanges
  readonly #waiting = new Set<Sending>()
  readonly #open = new Set<Sending>()
  #channel: ConfirmChannel | undefined
  #isOpening = false
  #isClosed = false

  constructor(options: PublisherOptions) {
    const { connection } = options
    this.#options = options
    this.#exchanges = new KnownExchanges(connection)
    connection.watchers.add({
      opened: () => this.#openChannel(),
      blocked: () => this.#pump(),
    })
  }

  publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly Fate[]> {
    const sending = new Sending(batch)
    if (this.#isClosed) sending.dropUnsent(new RabbitMqError('closed', 'this driver was closed'))
    if (sending.isDone) return sending.done
    const cancel = this.#options.clock.after(timeoutMs, () => sending.giveUp(this.#whyNoAnswer()))
    this.#open.add(sending)
    void sending.done.then(() => {
      cancel()
      this.#open.delete(sending)
      this.#waiting.delete(sending)
    })
    this.#admit(sending)
    return sending.done
  }

  /** What is still open has its fate at once. The connection is closed by whoever opened it. */
  close(): void {
    this.#isClosed = true
    for (const sending of this.#open) sending.giveUp(new RabbitMqError('closed', 'this driver was closed'))
    this.#waiting.clear()
  }

  /** As soon as its exchanges are known to exist: publishing to one that does not ends the channel for everybody. */
  #admit(sending: Sending): void {
    const unknown = this.#exchanges.unknownOf(sending.batch.slice(sending.next))
    if (unknown.length === 0) return this.#enqueue(sending)
    this.#exchanges.learn(unknown).then(
      () => this.#enqueue(sending),
      // Waits for a connection like everything else; asked again when there is one.
      () =>
        this.#options.connection
          .opened(Number.MAX_SAFE_INTEGER)
          .then(() => this.#retry(sending))
          .catch(() => {}),
    )
  }

  #retry(sending: Sending): void {
    if (!sending.isDone) this.#admit(sending)
  }

  #enqueue(sending: Sending): void {
    if (sending.isDone) return
    this.#waiting.add(sending)
    if (this.#channel === undefined) this.#openChannel()
    else this.#pump()
  }

  #openChannel(): void {
    const { connection } = this.#options
    if (this.#isOpening || this.#isClosed || this.#channel !== undefined) return
    if (connection.current === undefined) return connection.start()
    this.#isOpening = true
    void this.#opened(connection.current).finally(() => {
      this.#isOpening = false
      if (this.#channel !== undefined) this.#pump()
      else if (this.#waiting.size > 0) this.#openChannel()
    })
  }

  async #opened(model: ChannelModel): Promise<void> {
    try {
      const channel = new ConfirmChannel(await model.createConfirmChannel(), {
        progress: () => this.#pump(),
        end: () => this.#lost(channel),
      })
      this.#channel = channel
    } catch {
      // The connection is going, and says so itself, or has no channel left.
      if (this.#options.connection.current === model) await wait(this.#options.clock, openAgainMs)
    }
  }

  #lost(channel: ConfirmChannel): void {
    if (this.#channel === channel) this.#channel = undefined
    // An exchange may be gone.
    this.#exchanges.forget()
    if (this.#waiting.size > 0) queueMicrotask(() => this.#openChannel())
  }

  #pump(): void {
    const channel = this.#channel
    for (const sending of this.#waiting) {
      while (sending.next < sending.batch.length) {
        if (channel === undefined || !this.#mayWrite(channel)) return
        if (this.#send(channel, sending)) continue
        if (!channel.isOpen) return
        this.#waiting.delete(sending)
        this.#admit(sending)
        break
      }
      if (sending.next === sending.batch.length) this.#waiting.delete(sending)
    }
  }

  #mayWrite(channel: ConfirmChannel): boolean {
    return (
      channel.isOpen &&
      !channel.isFull &&
      channel.unconfirmed < this.#options.maxUnconfirmed &&
      !this.#options.connection.isBlocked
    )
  }

  /** False: not yet. The channel is gone, or nobody knows whether its exchange is there. */
  #send(channel: ConfirmChannel, sending: Sending): boolean {
    const index = sending.next
    const outgoing = sending.batch[index]!
    const verdict = this.#tooLarge(outgoing) ?? this.#exchanges.verdictOn(outgoing)
    if (verdict === undefined) return false
    if (verdict !== 'there') {
      sending.next++
      sending.decide(index, { is: 'not-stored', error: verdict })
      return true
    }
    const sentAt = this.#options.isReplayed(outgoing.topic) ? this.#options.clock.now() : undefined
    try {
      const address = this.#addressing.addressOf(outgoing)
      channel.send(sending, address, propertiesOf(outgoing, sentAt))
    } catch (error) {
      if (!channel.isOpen) return false
      sending.next++
      sending.decide(index, { is: 'not-stored', error: unencodable(error) })
    }
    return true
  }

  /** The broker would end the channel. */
  #tooLarge({ body }: Outgoing): RabbitMqError | undefined {
    const { maxMessageBytes } = this.#options
    if (body.byteLength <= maxMessageBytes) return undefined
    return new RabbitMqError('too-large', `a message has at most ${maxMessageBytes} bytes, not ${body.byteLength}`)
  }

  #whyNoAnswer(): RabbitMqError {
    const { connection } = this.#options
    if (connection.isBlocked) {
      return new RabbitMqError('throttled', 'the broker takes no messages: it is short of memory or disk')
    }
    if (connection.current !== undefined) return new RabbitMqError('transient', 'the broker did not confirm in time')
    return new RabbitMqError(classify(connection.lastError), 'no connection to the broker', connection.lastError)
  }
}

function unencodable(cause: unknown): RabbitMqError {
  return new RabbitMqError('illegal', 'the message cannot be written as AMQP 0.9.1', cause)
}
