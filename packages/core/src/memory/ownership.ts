import type { BrokerState } from './broker-state.ts'
import type { GroupCursor } from './group-cursor.ts'
import { Hand } from './hand.ts'
import type { Member } from './member.ts'

const ASSIGN_AGAIN_MS = 1000

/**
 * Who owns one partition of one group. Moves it one step at a time towards the member it is meant for: revoke and wait,
 * assign and wait, deliver. The goal may change at any moment.
 */
export class Ownership {
  readonly #broker: BrokerState
  readonly #cursor: GroupCursor
  #hand: Hand | undefined
  #goal: Member | undefined
  #renewal: 'drain' | 'lost' | undefined
  #moving = false
  #onTaken: (() => void)[] = []
  /** A member that was told that it lost the partition and has not answered yet. */
  #farewell: { readonly member: Member; readonly answered: Promise<void> } | undefined

  constructor(broker: BrokerState, cursor: GroupCursor) {
    this.#broker = broker
    this.#cursor = cursor
  }

  get owner(): Member | undefined {
    return this.#hand?.member
  }

  get goal(): Member | undefined {
    return this.#goal
  }

  aim(goal: Member | undefined): void {
    this.#goal = goal
    void this.#move()
  }

  /**
   * Takes the partition away and gives it to `goal`, who may have it already: the epoch is a new one anyhow. Resolves when
   * it is taken.
   */
  renew(how: 'drain' | 'lost', goal: Member | undefined): Promise<void> {
    if (this.#hand === undefined) return Promise.resolve()
    this.#renewal = how
    const taken = new Promise<void>(resolve => this.#onTaken.push(resolve))
    this.aim(goal)
    return taken
  }

  /** The owner is gone: it is not told. */
  forfeit(): void {
    const hand = this.#hand
    if (hand !== undefined) this.#drop(hand)
  }

  /** The connection is gone: the owner is told that it lost the partition, nobody gets it. */
  disconnect(): void {
    const hand = this.#hand
    this.#goal = undefined
    if (hand === undefined) return
    this.#drop(hand)
    this.#sayLost(hand)
  }

  async #move(): Promise<void> {
    if (this.#moving) return
    this.#moving = true
    for (;;) {
      const hand = this.#hand
      if (hand !== undefined && (hand.member !== this.#goal || this.#renewal !== undefined)) await this.#revoke(hand)
      else if (hand === undefined && this.#goal !== undefined) await this.#assign(this.#goal)
      else break
    }
    this.#moving = false
  }

  async #revoke(hand: Hand): Promise<void> {
    const how = this.#renewal ?? 'drain'
    this.#renewal = undefined
    hand.delivers = false
    if (how === 'drain' && (await this.#drains(hand))) {
      if (hand.alive) this.#drop(hand)
      return
    }
    if (!hand.alive) return
    this.#drop(hand)
    this.#sayLost(hand)
  }

  #drains(hand: Hand): Promise<boolean> {
    const drained = hand.member.sink.revoked(hand.partition, 'drain')
    return this.#answers(hand.member, drained)
  }

  async #assign(member: Member): Promise<void> {
    if (this.#farewell?.member === member) await this.#answers(member, this.#farewell.answered)
    this.#farewell = undefined
    if (this.#goal === member && member.left) this.#goal = undefined
    if (this.#goal !== member) return
    const hand = new Hand(member, this.#cursor, this.#cursor.nextEpoch())
    this.#hand = hand
    member.hands.set(hand.partition, hand)
    this.#cursor.hands.push(hand)
    try {
      await Promise.race([member.sink.assigned(hand.partition), member.gone])
    } catch (error) {
      if (hand.alive) this.#drop(hand)
      if (!member.left) member.sink.status({ is: 'degraded', error })
      await new Promise<void>(resolve => this.#broker.due.after(ASSIGN_AGAIN_MS, resolve))
      return
    }
    hand.delivers = hand.alive
    this.#cursor.wake()
  }

  #sayLost(hand: Hand): void {
    const answered = hand.member.sink.revoked(hand.partition, 'lost').catch(() => {})
    this.#farewell = { member: hand.member, answered }
  }

  #drop(hand: Hand): void {
    hand.alive = false
    hand.delivers = false
    hand.member.hands.delete(hand.partition)
    this.#cursor.hands.splice(this.#cursor.hands.indexOf(hand), 1)
    this.#cursor.takeBack(hand)
    this.#hand = undefined
    this.#renewal = undefined
    for (const resolve of this.#onTaken.splice(0)) resolve()
  }

  /** False when it takes too long or fails; true also when the member is gone, who owes no answer. */
  #answers(member: Member, answer: Promise<void>): Promise<boolean> {
    const { clock, drainTimeoutMs } = this.#broker.options
    return new Promise(resolve => {
      const cancel = clock.after(drainTimeoutMs, () => resolve(false))
      const end = (answered: boolean): void => {
        cancel()
        resolve(answered)
      }
      answer.then(
        () => end(true),
        () => end(false),
      )
      void member.gone.then(() => end(true))
    })
  }
}
