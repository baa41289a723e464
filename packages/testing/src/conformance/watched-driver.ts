import type { Capabilities, Consumer, Driver, Fate, Outgoing, Partition } from '@mekong/core/driver'
import type { Journal } from './journal.ts'
import type { Life } from './life.ts'
import { WatchedConsumer, type Handed, type Watching } from './watched-consumer.ts'
import { InjectedFailure, isSent, isUnknown, type PublishFault, type PublishFaults } from './publish-fault.ts'

export interface WatchOptions {
  readonly driver: Driver
  readonly who: string
  readonly life: Life
  readonly journal: Journal
  readonly faults: PublishFaults
  /** Declared in place of the driver's own: what it is not, it may still be treated as. */
  readonly capabilities: Partial<Capabilities>
}

/** A driver under observation: it notes what passes, injects fates, and finds what either side may not do. */
export interface WatchedDriver extends Driver {
  readonly sent: readonly Outgoing[]
  readonly handed: readonly Handed[]
  /** Breaches of the driver contract, by the driver or by the bus. */
  readonly breaches: readonly string[]
  readonly paused: ReadonlySet<Partition>
  readonly assigned: ReadonlySet<Partition>
  unsettled(): readonly Handed[]
  /** How often the event with this id was sent to the broker. */
  sends(id: string): number
  /** The handles of these messages die, and the same messages arrive again. */
  handOverAgain(which: (handed: Handed) => boolean): void
  /** Ends it as the end of the process would: nothing more is said to the bus, the broker takes everything back. */
  drop(): Promise<void>
}

export function watchedDriver(options: WatchOptions): WatchedDriver {
  return new Watch(options)
}

class Watch implements WatchedDriver, Watching {
  readonly sent: Outgoing[] = []
  readonly handed: Handed[] = []
  readonly breaches: string[] = []
  readonly paused = new Set<Partition>()
  readonly assigned = new Set<Partition>()
  readonly name: string
  readonly native: unknown
  readonly capabilities: Capabilities
  readonly #options: WatchOptions
  readonly #driver: Driver
  readonly #sends = new Map<string, number>()
  readonly #keysOnTheWay = new Set<string>()
  readonly #late: Outgoing[] = []
  readonly #consumers = new Set<WatchedConsumer>()

  constructor(options: WatchOptions) {
    this.#options = options
    this.#driver = options.driver
    this.name = options.driver.name
    this.native = options.driver.native
    this.capabilities = { ...options.driver.capabilities, ...options.capabilities }
  }

  topology: Driver['topology'] = (wish, mode) => this.#options.life.pass(() => this.#driver.topology(wish, mode))

  partitionOf(message: Outgoing): string {
    return this.#driver.partitionOf(message)
  }

  classify(error: unknown): ReturnType<Driver['classify']> {
    return error instanceof InjectedFailure ? error.failure : this.#driver.classify(error)
  }

  publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly Fate[]> {
    return this.#options.life.pass(() => this.#publish(batch, timeoutMs))
  }

  async subscribe(...[options, sink]: Parameters<Driver['subscribe']>): Promise<Consumer> {
    const consumer = new WatchedConsumer(this, sink, this.#options.life)
    this.#consumers.add(consumer)
    consumer.attach(await this.#options.life.pass(() => this.#driver.subscribe(options, consumer)))
    return consumer
  }

  async close(): Promise<void> {
    await this.#options.life.pass(() => this.#driver.close())
  }

  unsettled(): readonly Handed[] {
    return this.handed.filter(one => one.settlement === undefined && !one.isDead)
  }

  sends(id: string): number {
    return this.#sends.get(id) ?? 0
  }

  handOverAgain(which: (handed: Handed) => boolean): void {
    const again = this.unsettled().filter(which)
    for (const consumer of this.#consumers) consumer.handOverAgain(again)
  }

  async drop(): Promise<void> {
    for (const consumer of this.#consumers) await consumer.drop()
    await this.#driver.close()
  }

  note(what: string): void {
    this.#options.journal.note(this.#options.who, what)
  }

  breach(what: string): void {
    this.breaches.push(what)
    this.note(`BREACH ${what}`)
  }

  async #publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly Fate[]> {
    this.#checkBatch(batch)
    const keys = batch.flatMap(message => (message.key === undefined ? [] : [keyText(message)]))
    for (const key of keys) this.#keysOnTheWay.add(key)
    const faults = this.#faultsOf(batch)
    const sending = batch.filter((_, index) => isSent(faults[index]))
    this.note(`sends ${batch.map((message, index) => text(message, faults[index])).join(', ')}`)
    try {
      const fates = sending.length === 0 ? [] : await this.#driver.publish(sending, timeoutMs)
      if (fates.length !== sending.length)
        this.breach(`the driver answered ${fates.length} fates for ${sending.length}`)
      await this.#landLate(sending.filter((_, index) => fates[index]?.is === 'stored'))
      for (const [index, message] of batch.entries()) if (faults[index] === 'unknown-late') this.#late.push(message)
      let next = 0
      const answers = batch.map((_, index) =>
        withFault(faults[index], isSent(faults[index]) ? fates[next++] : undefined),
      )
      const failed = answers.filter(fate => fate.is !== 'stored')
      if (failed.length > 0) this.note(`fates ${failed.map(fate => fate.is).join(', ')}`)
      return answers
    } catch (error) {
      this.breach(`publish of the driver rejected: ${String(error)}`)
      throw error
    } finally {
      for (const key of keys) this.#keysOnTheWay.delete(key)
    }
  }

  /** Where entries of a key share their fate they share what is injected, too. */
  #faultsOf(batch: readonly Outgoing[]): readonly (PublishFault | undefined)[] {
    const own = batch.map(message => this.#options.faults(message, this.#countSend(message)))
    if (this.capabilities.sameKeyBatch === 'apart') return own
    const ofKey = new Map<string, PublishFault>()
    for (const [index, message] of batch.entries()) {
      const fault = own[index]
      if (fault !== undefined && message.key !== undefined) ofKey.set(keyText(message), fault)
    }
    return batch.map((message, index) => (message.key === undefined ? own[index] : ofKey.get(keyText(message))))
  }

  #countSend(message: Outgoing): number {
    this.sent.push(message)
    const id = message.headers['ce-id'] ?? ''
    const before = this.#sends.get(id) ?? 0
    this.#sends.set(id, before + 1)
    return before
  }

  async #landLate(stored: readonly Outgoing[]): Promise<void> {
    const ids = new Set(stored.map(message => message.headers['ce-id']))
    for (const message of this.#late.filter(late => ids.has(late.headers['ce-id']))) {
      this.#late.splice(this.#late.indexOf(message), 1)
      this.note(`lands late ${text(message)}`)
      await this.#driver.publish([message], 1000)
    }
  }

  #checkBatch(batch: readonly Outgoing[]): void {
    const { capabilities } = this
    const seen = new Set<string>()
    for (const message of batch) {
      if (message.delayMs > capabilities.publishDelayMs)
        this.breach(`the bus asked for a delay of ${message.delayMs} ms`)
      if (message.body.byteLength > capabilities.maxBytes) this.breach('the bus sent more bytes than the broker takes')
      if (message.key === undefined) continue
      const key = keyText(message)
      if (this.#keysOnTheWay.has(key))
        this.breach(`the bus sent key ${message.key} while a batch with it was unresolved`)
      if (seen.has(key) && capabilities.sameKeyBatch === 'apart') {
        this.breach(`the bus put two events of key ${message.key} into one batch`)
      }
      seen.add(key)
    }
    const bytes = batch.reduce((sum, message) => sum + message.body.byteLength, 0)
    if (batch.length > capabilities.batch.entries) this.breach(`the bus sent a batch of ${batch.length} entries`)
    if (bytes > capabilities.batch.bytes && batch.length > 1) this.breach(`the bus sent a batch of ${bytes} bytes`)
  }
}

function withFault(fault: PublishFault | undefined, fate: Fate | undefined): Fate {
  if (fault === undefined) return fate ?? { is: 'unknown', error: new Error('the driver gave no fate') }
  return { is: isUnknown(fault) ? 'unknown' : 'not-stored', error: new InjectedFailure(fault) }
}

function keyText(message: Outgoing): string {
  return `${message.topic} ${message.key}`
}

function text(message: Outgoing, fault?: PublishFault): string {
  const injected = fault === undefined ? '' : ` (${fault})`
  return `${message.headers['ce-type'] ?? '?'} ${message.key ?? '-'} ${message.headers['ce-id']?.slice(-6) ?? ''}${injected}`
}
