import { expect, it, vi } from 'vitest'
import type {
  GroupMember,
  JoinGroupAnswer,
  JoinGroupRequest,
  KafkaConnection,
  Place,
} from '../src/client/kafka-client.ts'
import { kafkaError, KafkaRequestError } from '../src/client/kafka-error.ts'
import { encodeAssignment } from '../src/group/group-protocol.ts'
import { Membership } from '../src/group/membership.ts'

const node = { id: 1, host: '127.0.0.1', port: 9092 }
const place = { topic: 'orders', partition: 0 }

/** A group that has one member, or had. */
class OneMemberGroup {
  readonly joins: string[] = []
  readonly lost = vi.fn<() => void>()
  /** Nothing comes back from it. */
  isSilent = false
  /** The only member id that the group knows. */
  known = ''
  generation = 0
  #owned: readonly Place[] = []

  readonly #connection = {
    coordinator: async () => ({ errorCode: kafkaError.none, node }),
    joinGroup: async (_node: unknown, { memberId }: JoinGroupRequest): Promise<JoinGroupAnswer> => {
      this.joins.push(memberId)
      if (memberId === '')
        return this.#answer(kafkaError.memberIdRequired, (this.known = `member-${this.joins.length}`))
      if (memberId !== this.known) return this.#answer(kafkaError.unknownMemberId, memberId)
      this.generation++
      return this.#answer(kafkaError.none, memberId)
    },
    syncGroup: async () => ({ errorCode: kafkaError.none, assignment: encodeAssignment([place]) }),
    heartbeat: async (_node: unknown, { memberId, generation }: GroupMember) => {
      if (this.isSilent) throw new KafkaRequestError('unanswered', 'Heartbeat: no answer')
      if (memberId !== this.known) return kafkaError.unknownMemberId
      return generation === this.generation ? kafkaError.none : kafkaError.illegalGeneration
    },
    leaveGroup: async () => kafkaError.none,
    close: async () => undefined,
  } as unknown as KafkaConnection

  readonly membership = new Membership({
    group: 'shop',
    connection: this.#connection,
    connect: () => this.#connection,
    sessionTimeoutMs: 40,
    rebalanceTimeoutMs: 1000,
    heartbeatIntervalMs: 5,
    requestTimeoutMs: 1000,
    events: {
      topics: () => ['orders'],
      partitions: async () => new Map([['orders', 1]]),
      owned: () => this.#owned,
      assigned: places => (this.#owned = places),
      revoked: async () => undefined,
      lost: () => {
        this.#owned = []
        this.lost()
      },
      status: () => undefined,
    },
  })

  async started(): Promise<this> {
    this.membership.start()
    await vi.waitUntil(() => this.membership.member?.generation === 1)
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.membership.close()
  }

  #answer(errorCode: number, memberId: string): JoinGroupAnswer {
    return { errorCode, generation: this.generation, memberId, leaderId: memberId, protocol: '', members: [] }
  }
}

it('joins again as the same when its session has run out, so that the group does not wait for what it was', async () => {
  await using group = await new OneMemberGroup().started()
  group.isSilent = true
  await vi.waitFor(() => expect(group.lost).toHaveBeenCalled())
  // A broker that was stopped reads the heartbeats that wait in its sockets: the old member lives on.
  group.isSilent = false
  await vi.waitFor(() => expect(group.membership.member?.generation).toBe(group.generation))
  expect(new Set(group.joins.slice(1))).toEqual(new Set(['member-1']))
})

it('joins again as the same when the group went on without it', async () => {
  await using group = await new OneMemberGroup().started()
  group.generation = 7
  await vi.waitFor(() => expect(group.membership.member?.generation).toBe(8))
  expect(group.lost).toHaveBeenCalledTimes(1)
  expect(group.joins).toEqual(['', 'member-1', 'member-1'])
})

it('joins as another when the group has forgotten it', async () => {
  await using group = await new OneMemberGroup().started()
  group.known = 'somebody-else'
  await vi.waitFor(() => expect(group.membership.member?.generation).toBe(2))
  expect(group.lost).toHaveBeenCalledTimes(1)
  expect(group.joins).toEqual(['', 'member-1', '', 'member-3'])
})
