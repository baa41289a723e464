import type { StartPosition, SubscribeOptions, Sink } from '../driver/driver-contract.ts'
import { balance } from './balance.ts'
import type { BrokerState } from './broker-state.ts'
import { GroupCursor } from './group-cursor.ts'
import { Hand } from './hand.ts'
import { Member } from './member.ts'
import type { Delivery } from './memory-message.ts'
import { Ownership } from './ownership.ts'

interface Place {
  readonly cursor: GroupCursor
  readonly ownership: Ownership
}

/** A group: what it has settled of each partition, whether anybody is there or not, and its members. */
export class Group {
  readonly name: string
  readonly #broker: BrokerState
  readonly #places = new Map<string, readonly Place[]>()
  readonly #members = new Set<Member>()

  constructor(broker: BrokerState, name: string) {
    this.#broker = broker
    this.name = name
  }

  get members(): readonly Member[] {
    return [...this.#members]
  }

  /** Messages stored and not settled. */
  get lag(): number {
    return this.#allPlaces().reduce((sum, { cursor }) => sum + cursor.lag, 0)
  }

  knows(topic: string): boolean {
    return this.#places.has(topic)
  }

  /** From now on nothing of this topic is dropped before the group has taken it. */
  know(topicName: string): void {
    if (this.#places.has(topicName)) return
    const places = this.#broker.topic(topicName).logs.map(log => {
      const cursor = new GroupCursor(this.#broker, this.name, log)
      return { cursor, ownership: new Ownership(this.#broker, cursor) }
    })
    this.#places.set(topicName, places)
  }

  /** Positions are fixed at once, assignments follow. A topic that is refused leaves the group as it was. */
  subscribe(options: SubscribeOptions, sink: Sink): Member {
    for (const { topic } of options.topics) this.know(topic)
    const member = new Member(this.#broker, this, options, sink)
    this.#members.add(member)
    this.#broker.membersChanged()
    this.join(member, [...member.topics], options.from)
    return member
  }

  join(member: Member, topics: readonly string[], from: StartPosition): void {
    for (const topic of topics) {
      this.know(topic)
      member.topics.add(topic)
      for (const { cursor } of this.#placesOf(topic)) cursor.start(from)
    }
    // After the caller has its consumer: the bus cannot settle without it.
    this.#broker.options.defer(() => {
      if (member.left || !this.#broker.connected) return
      member.sink.status({ is: 'running' })
      this.rebalance()
    })
  }

  remove(member: Member): void {
    this.#members.delete(member)
    this.#broker.membersChanged()
    for (const { cursor, ownership } of this.#allPlaces()) {
      if (ownership.owner === member) ownership.forfeit()
      for (const hand of cursor.hands.filter(hand => hand.member === member)) detach(hand)
      cursor.wake()
    }
    this.rebalance()
  }

  rebalance(): void {
    if (!this.#broker.connected) return
    if (this.#broker.options.hostility.affinity === 'partition') this.#shareOut()
    else for (const member of this.#members) this.#attachEverywhere(member)
  }

  /** Takes partitions from their owners and gives each to any member, perhaps the same one. Resolves when they are taken. */
  async renew(topic: string, how: 'drain' | 'lost', partition?: string): Promise<void> {
    if (!this.#broker.connected) return
    const members = this.members.filter(member => member.topics.has(topic))
    const places = this.#placesOf(topic).filter(({ cursor }) => partition === undefined || cursor.log.id === partition)
    await Promise.all(places.map(({ ownership }) => ownership.renew(how, this.#broker.oneOf(members))))
  }

  /** The handles of everything of this topic that is in hand die. */
  lose(topic: string): void {
    for (const { cursor } of this.#placesOf(topic)) for (const hand of cursor.hands) loseAll(hand)
  }

  disconnect(error: unknown): void {
    for (const member of this.#members) member.sink.status({ is: 'reconnecting', error })
    for (const { cursor, ownership } of this.#allPlaces()) {
      ownership.disconnect()
      for (const hand of cursor.hands) loseAll(hand)
    }
  }

  reconnect(): void {
    for (const member of this.#members) member.sink.status({ is: 'running' })
    this.rebalance()
    for (const { cursor } of this.#allPlaces()) cursor.wake()
  }

  /** The logs need not keep anything for this group any more. */
  forget(): void {
    for (const { cursor } of this.#allPlaces()) cursor.log.readers.delete(cursor)
    this.#places.clear()
  }

  #shareOut(): void {
    const topics = [...this.#places]
    const shares = topics.map(([topic, places]) => ({
      owners: places.map(({ ownership }) => ownership.owner ?? ownership.goal),
      members: this.members.filter(member => member.topics.has(topic)),
    }))
    for (const [index, goals] of balance(shares).entries()) {
      const places = topics[index]![1]
      for (const [partition, goal] of goals.entries()) places[partition]!.ownership.aim(goal)
    }
  }

  #attachEverywhere(member: Member): void {
    for (const topic of member.topics) {
      for (const { cursor } of this.#placesOf(topic)) {
        if (!cursor.hands.some(hand => hand.member === member)) void attach(member, cursor)
      }
    }
  }

  #placesOf(topic: string): readonly Place[] {
    return this.#places.get(topic) ?? []
  }

  #allPlaces(): readonly Place[] {
    return [...this.#places.values()].flat()
  }
}

/** Where nobody owns a partition, every member has a hand in it. */
async function attach(member: Member, cursor: GroupCursor): Promise<void> {
  const hand = new Hand(member, cursor, cursor.nextEpoch())
  member.hands.set(hand.partition, hand)
  cursor.hands.push(hand)
  try {
    await member.sink.assigned(hand.partition)
    hand.delivers = hand.alive
    cursor.wake()
  } catch (error) {
    detach(hand)
    if (!member.left) member.sink.status({ is: 'fatal', error })
  }
}

function detach(hand: Hand): void {
  hand.alive = false
  hand.delivers = false
  hand.member.hands.delete(hand.partition)
  hand.cursor.hands.splice(hand.cursor.hands.indexOf(hand), 1)
  hand.cursor.takeBack(hand)
}

function loseAll(hand: Hand): void {
  const dead: readonly Delivery[] = hand.cursor.takeBack(hand)
  if (dead.length > 0) hand.member.sink.lost(dead)
  hand.cursor.wake()
}
