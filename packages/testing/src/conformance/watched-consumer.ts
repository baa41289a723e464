import type { Consumer, Incoming, Partition, Settlement, Sink } from '@mekong/core/driver'
import type { Life } from './life.ts'

/** One message that was handed over, and what became of it. */
export interface Handed {
  readonly message: Incoming
  readonly id: string | undefined
  /** Undefined until it is settled. */
  settlement: Settlement | undefined
  /** Its partition was revoked, its handle lost or its consumer closed. */
  isDead: boolean
}

/** Where the consumers of one driver write down what passes. */
export interface Watching {
  readonly handed: Handed[]
  readonly paused: Set<Partition>
  readonly assigned: Set<Partition>
  note(what: string): void
  breach(what: string): void
}

/** Stands between one consumer of the driver and its sink in the bus. */
export class WatchedConsumer implements Consumer, Sink {
  readonly #watch: Watching
  readonly #sink: Sink
  readonly #life: Life
  readonly #known = new Map<Incoming, Handed>()
  readonly #everHanded = new WeakSet<Incoming>()
  /** What a message that was handed over again really is. */
  readonly #originals = new Map<Incoming, Incoming>()
  /** Whose handles died by the kit's hand: the driver does not know, so it must not hear of their settlement. */
  readonly #withdrawn = new WeakSet<Incoming>()
  readonly #assigning = new Set<Partition>()
  /** A drain that takes too long may end as a loss. */
  readonly #draining = new Set<Partition>()
  readonly #epochs = new Map<string, number>()
  #consumer: Consumer | undefined
  #isOver = false

  constructor(watch: Watching, sink: Sink, life: Life) {
    this.#watch = watch
    this.#sink = sink
    this.#life = life
  }

  attach(consumer: Consumer): void {
    this.#consumer = consumer
  }

  async assigned(partition: Partition): Promise<void> {
    if (this.#isOver) return
    const name = `${partition.topic}/${partition.id}`
    this.#watch.note(`assigned ${name} epoch ${partition.epoch}`)
    if (this.#watch.assigned.has(partition)) this.#watch.breach(`${name} was assigned twice in one epoch`)
    if (partition.epoch <= (this.#epochs.get(name) ?? -1))
      this.#watch.breach(`${name} was assigned without a new epoch`)
    this.#epochs.set(name, partition.epoch)
    this.#assigning.add(partition)
    this.#watch.assigned.add(partition)
    await this.#life.pass(() => this.#sink.assigned(partition))
    this.#assigning.delete(partition)
  }

  async revoked(partition: Partition, how: 'drain' | 'lost'): Promise<void> {
    if (this.#isOver) return
    this.#watch.note(`revoked ${partition.topic}/${partition.id} (${how})`)
    const wasOurs = this.#watch.assigned.delete(partition) || (how === 'lost' && this.#draining.has(partition))
    if (!wasOurs) this.#watch.breach('a partition was revoked that was not assigned')
    if (how === 'drain') this.#draining.add(partition)
    if (how === 'lost') this.#die(handed => handed.message.partition === partition)
    await this.#life.pass(() => this.#sink.revoked(partition, how))
    this.#die(handed => handed.message.partition === partition)
    this.#watch.paused.delete(partition)
    this.#draining.delete(partition)
  }

  messages(batch: readonly Incoming[]): void {
    if (this.#isOver) return
    for (const message of batch) this.#checkArrival(message)
    this.#handOver(batch)
  }

  lost(batch: readonly Incoming[]): void {
    if (this.#isOver) return
    this.#watch.note(`lost handles of ${batch.map(name).join(', ')}`)
    for (const message of batch) this.#dieOne(message)
    this.#sink.lost(batch)
  }

  status: Sink['status'] = status => {
    if (!this.#isOver) this.#sink.status(status)
  }

  settle(batch: readonly Incoming[], settlement: Settlement): void {
    if (!this.#life.isRunning) return void this.#life.pass(async () => this.settle(batch, settlement))
    if (this.#isOver) return
    this.#watch.note(`settles as ${settlement.is} ${batch.map(name).join(', ')}`)
    for (const message of batch) {
      if (!this.#everHanded.has(message)) this.#watch.breach(`the bus settled ${name(message)}, which it never got`)
      const handed = this.#known.get(message)
      if (handed !== undefined && !handed.isDead) handed.settlement ??= settlement
      this.#known.delete(message)
    }
    const live = batch.filter(message => !this.#withdrawn.has(message))
    this.#consumer!.settle(
      live.map(message => this.#originals.get(message) ?? message),
      settlement,
    )
  }

  pause(partition: Partition): void {
    this.#watch.paused.add(partition)
    this.#watch.note(`pauses ${partition.topic}/${partition.id}`)
    this.#consumer!.pause(partition)
  }

  resume(partition: Partition): void {
    this.#watch.paused.delete(partition)
    this.#watch.note(`resumes ${partition.topic}/${partition.id}`)
    this.#consumer!.resume(partition)
  }

  extend: Consumer['extend'] = topics => this.#life.pass(() => this.#consumer!.extend(topics))
  seek: Consumer['seek'] = (partition, to) => this.#life.pass(() => this.#consumer!.seek(partition, to))
  lag: Consumer['lag'] = () => this.#life.pass(() => this.#consumer!.lag())
  stop: Consumer['stop'] = () => this.#life.pass(() => this.#consumer!.stop())

  async close(): Promise<void> {
    await this.#life.pass(() => this.#consumer!.close())
    this.#isOver = true
    this.#die(() => true)
  }

  async drop(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#die(() => true)
    await this.#consumer?.close()
  }

  handOverAgain(again: readonly Handed[]): void {
    const mine = again.filter(handed => this.#known.get(handed.message) === handed)
    if (mine.length === 0) return
    for (const { message } of mine) this.#withdrawn.add(message)
    this.lost(mine.map(handed => handed.message))
    const copies = mine.map(({ message }) => {
      const copy: Incoming = {
        ...fieldsOf(message),
        deliveries: message.deliveries === undefined ? undefined : message.deliveries + 1,
      }
      this.#originals.set(copy, this.#originals.get(message) ?? message)
      return copy
    })
    this.#handOver(copies)
  }

  #handOver(batch: readonly Incoming[]): void {
    for (const message of batch) {
      const handed: Handed = { message, id: message.headers.get('ce-id'), settlement: undefined, isDead: false }
      this.#known.set(message, handed)
      this.#everHanded.add(message)
      this.#watch.handed.push(handed)
    }
    this.#watch.note(`gets ${batch.map(name).join(', ')}`)
    // A stopped process hears nothing; what it was handed it finds when it goes on.
    if (this.#life.isRunning) this.#sink.messages(batch)
    else void this.#life.pass(async () => this.#sink.messages(batch))
  }

  #checkArrival(message: Incoming): void {
    const partition = message.partition
    if (this.#assigning.has(partition)) this.#watch.breach(`${name(message)} came before assigned had resolved`)
    if (!this.#watch.assigned.has(partition)) this.#watch.breach(`${name(message)} came from a partition not assigned`)
  }

  #dieOne(message: Incoming): void {
    const handed = this.#known.get(message)
    if (handed !== undefined) handed.isDead = true
  }

  #die(which: (handed: Handed) => boolean): void {
    for (const [message, handed] of this.#known) {
      if (!which(handed)) continue
      handed.isDead = true
      this.#known.delete(message)
    }
  }
}

function fieldsOf(message: Incoming): Incoming {
  const { partition, position, key, body, headers, deliveries, messageId } = message
  return { partition, position, key, body, headers, deliveries, messageId }
}

function name(message: Incoming): string {
  const id = message.headers.get('ce-id')?.slice(-6) ?? ''
  return `${message.headers.get('ce-type') ?? '?'} ${message.key ?? '-'} ${id} @${message.position}`
}
