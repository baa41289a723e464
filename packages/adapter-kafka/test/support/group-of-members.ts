import assert from 'node:assert/strict'
import type { Place } from '../../src/client/kafka-client.ts'
import { nameOf } from '../../src/client/places.ts'
import { assign } from '../../src/group/assignor.ts'
import type { MemberSubscription } from '../../src/group/group-protocol.ts'

/** Members that do what they are told, round after round, until nothing moves. */
export class GroupOfMembers {
  readonly members = new Map<string, MemberSubscription>()
  generation = 0

  join(member: string, topics: readonly string[]): void {
    this.members.set(member, { topics, owned: [], generation: -1 })
  }

  /** One rebalance; whether somebody had to let go, so that there is another. */
  round(partitions: ReadonlyMap<string, number>): boolean {
    this.generation++
    const shares = assign({ members: this.members, partitions })
    let isMoving = false
    const given = new Set<string>()
    for (const [member, subscription] of this.members) {
      const share = shares.get(member)!
      for (const one of share) {
        assert.ok(!given.has(nameOf(one)), `${nameOf(one)} has two owners`)
        given.add(nameOf(one))
        assert.ok(subscription.topics.includes(one.topic), `${member} gets ${nameOf(one)}, which it does not want`)
        for (const [other, { owned }] of this.members) {
          if (other === member) continue
          const isHeld = owned.some(held => nameOf(held) === nameOf(one))
          assert.ok(!isHeld, `${nameOf(one)} goes to ${member} while ${other} holds it`)
        }
      }
      isMoving ||= subscription.owned.some(one => !share.some(kept => nameOf(kept) === nameOf(one)))
    }
    for (const [member, subscription] of this.members) {
      this.members.set(member, { ...subscription, owned: shares.get(member)!, generation: this.generation })
    }
    return isMoving
  }

  settle(partitions: ReadonlyMap<string, number>): number {
    let rounds = 1
    while (this.round(partitions)) {
      rounds++
      assert.ok(rounds < 8, 'the group does not come to rest')
    }
    return rounds
  }

  ownedOf(member: string): readonly Place[] {
    return this.members.get(member)!.owned
  }
}
