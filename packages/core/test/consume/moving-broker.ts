import type { Incoming, Partition } from '../../src/driver/driver-contract.ts'
import type { Consuming } from './consuming.ts'
import { incoming } from './scripted-broker.ts'

/** One stored message, and where it is. */
interface Stored {
  readonly id: string
  readonly key: string
  place: 'waiting' | 'in hand' | 'settled'
  dueAt: number
  hand: { readonly member: Consuming; readonly message: Incoming } | undefined
}

/**
 * One partition that moves between members, or one queue that locks keys while something of them is unsettled. It keeps
 * order, delivers again whatever was not acknowledged, and is otherwise as nasty as its test tells it to be.
 */
export class MovingBroker {
  readonly stored: Stored[] = []
  readonly #kind: 'log' | 'queue'
  readonly #now: () => number
  readonly #partitions = new Map<Consuming, Partition>()
  /** Assigned, and not answered for yet. */
  readonly #assigned = new Map<Consuming, Partition>()
  #epoch = 0

  constructor(kind: 'log' | 'queue', now: () => number) {
    this.#kind = kind
    this.#now = now
  }

  store(id: string, key: string): void {
    this.stored.push({ id, key, place: 'waiting', dueAt: 0, hand: undefined })
  }

  get unsettled(): readonly string[] {
    return this.stored.filter(({ place }) => place !== 'settled').map(({ id }) => id)
  }

  /** A log has one owner; a queue is open to all. */
  async assign(...members: readonly Consuming[]): Promise<void> {
    for (const member of members) {
      const partition = { topic: 'order', id: '0', epoch: ++this.#epoch }
      // It is told at once, and gets nothing before it has answered, which an outage may delay.
      const answered = member.broker.joined[0]!.sink.assigned(partition)
      this.#assigned.set(member, partition)
      void answered.then(() => {
        if (this.#assigned.get(member) !== partition) return
        this.#assigned.delete(member)
        this.#partitions.set(member, partition)
      })
      await member.clock.settle()
    }
  }

  /** Takes it from whoever has it: asked to drain and given `patienceMs`, or told that it is lost. */
  async revoke(how: 'drain' | 'lost', patienceMs = 0): Promise<void> {
    for (const [member, partition] of this.#assigned) {
      this.#assigned.delete(member)
      void member.broker.joined[0]!.sink.revoked(partition, 'lost')
    }
    for (const [member, partition] of this.#partitions) {
      const { sink } = member.broker.joined[0]!
      let isDrained = false
      if (how === 'drain') {
        void sink.revoked(partition, 'drain').then(() => (isDrained = true))
        await member.clock.advance(patienceMs)
      }
      this.look()
      this.#partitions.delete(member)
      for (const message of this.#inHandOf(member)) this.#giveBack(message)
      if (!isDrained) void sink.revoked(partition, 'lost')
      await member.clock.settle()
    }
  }

  /** It is gone: what it has is given back, without a word. Resolves with whether it had the partition, or was to. */
  leave(member: Consuming): boolean {
    this.look()
    const had = this.#partitions.delete(member)
    const wasToHave = this.#assigned.delete(member)
    for (const message of this.#inHandOf(member)) this.#giveBack(message)
    return had || wasToHave
  }

  /** The handle of one message dies, and with it those of later ones of its key. */
  lose(chosen: number): void {
    const inHand = this.stored.filter(({ place }) => place === 'in hand')
    const first = inHand[chosen % Math.max(1, inHand.length)]
    if (first?.hand === undefined) return
    const { member } = first.hand
    const from = this.stored.indexOf(first)
    const dead = this.stored.slice(from).filter(one => one.key === first.key && one.hand?.member === member)
    const messages = dead.flatMap(({ hand }) => (hand === undefined ? [] : [hand.message]))
    for (const one of dead) this.#giveBack(one)
    member.broker.joined[0]!.sink.lost(messages)
  }

  /** A settled message comes again. */
  repeat(chosen: number): void {
    const settled = this.stored.filter(({ place }) => place === 'settled')
    const again = settled[chosen % Math.max(1, settled.length)]
    if (again !== undefined) again.place = 'waiting'
  }

  /** Takes in what was settled, and delivers what may be, at most `most` messages to each member. */
  deliver(most: number): void {
    this.look()
    for (const [member, partition] of this.#partitions) {
      if (member.broker.joined[0]!.paused.has(partition)) continue
      const batch = this.#deliverable(member).slice(0, most)
      const messages = batch.map(one => {
        const message = incoming(partition, one.id, String(this.stored.indexOf(one)))
        one.place = 'in hand'
        one.hand = { member, message }
        return message
      })
      if (messages.length > 0) member.broker.joined[0]!.sink.messages(messages)
    }
  }

  look(): void {
    for (const one of this.stored) {
      if (one.hand === undefined) continue
      const settlement = one.hand.member.broker.settlements.get(one.hand.message)
      if (settlement === undefined) continue
      if (settlement.is === 'redeliver') {
        this.#giveBack(one)
        one.dueAt = this.#now() + settlement.afterMs
      } else {
        one.place = 'settled'
        one.hand = undefined
      }
    }
  }

  #deliverable(member: Consuming): readonly Stored[] {
    const now = this.#now()
    const locked = new Set<string>()
    const found: Stored[] = []
    for (const one of this.stored) {
      const isElsewhere = one.place === 'in hand' && one.hand?.member !== member
      const isDelayed = one.place === 'waiting' && one.dueAt > now
      if (this.#kind === 'queue' && (isElsewhere || isDelayed)) locked.add(one.key)
      if (one.place === 'waiting' && !locked.has(one.key)) found.push(one)
    }
    if (this.#kind === 'log') return found
    // A key with something in another's hands behind the first that waits is locked as well.
    return found.filter(({ key }) => !locked.has(key))
  }

  #inHandOf(member: Consuming): readonly Stored[] {
    return this.stored.filter(({ hand }) => hand?.member === member)
  }

  #giveBack(message: Stored): void {
    message.place = 'waiting'
    message.hand = undefined
    message.dueAt = 0
  }
}
