import { createPause, systemClock, type ConsumerStatus } from '@mekong/core/driver'
import type {
  ErrorCode,
  GroupMember,
  JoinGroupAnswer,
  KafkaConnection,
  KafkaNode,
  Place,
} from '../client/kafka-client.ts'
import { kafkaError, KafkaBrokerError, KafkaRequestError } from '../client/kafka-error.ts'
import { nameOf } from '../client/places.ts'
import { isStaleCoordinator } from '../kafka-failures.ts'
import { assign } from './assignor.ts'
import { Backoff } from './backoff.ts'
import { coordinatorOf } from './coordinator.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from './group-protocol.ts'

export interface MembershipOptions {
  readonly group: string
  /** For everything but joining. */
  readonly connection: KafkaConnection
  /** For joining, which waits at the broker until the other members have come. */
  readonly connect: () => KafkaConnection
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly requestTimeoutMs: number
  readonly events: MembershipEvents
}

/** What a member of a group hears and is asked. */
export interface MembershipEvents {
  topics(): readonly string[]
  /** How many partitions these topics have; asked when this member shares out the work. */
  partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** What this member holds and has not given up. */
  owned(): readonly Place[]
  /** Ours now. */
  assigned(places: readonly Place[]): void
  /** To be given up: resolves when nothing of it runs and all is committed. Heartbeats go on meanwhile. */
  revoked(places: readonly Place[]): Promise<void>
  /** The group has forgotten this member: everything that it held may be somebody else's already. */
  lost(): void
  status(status: ConsumerStatus): void
}

/** The name under which Kafka knows the way in which members share the work: all members of a group must use it. */
const PROTOCOL = 'mekong-cooperative'

/** Answers that nobody can mend by trying again soon. */
const fatalErrors: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  kafkaError.inconsistentGroupProtocol,
  kafkaError.invalidGroupId,
  kafkaError.invalidSessionTimeout,
  kafkaError.groupAuthorizationFailed,
  kafkaError.groupMaxSizeReached,
])

/**
 * One member of a consumer group: joins, shares out the work when it leads, keeps its place by heartbeats of its own, whatever
 * handlers do, and joins again when the group changes. Cooperative: what stays is worked on meanwhile.
 */
export class Membership {
  readonly #options: MembershipOptions
  readonly #backoff = new Backoff()
  readonly #closing = new AbortController()
  /** Ended by whoever has news for the loop that joins. */
  readonly #pause = createPause(systemClock, this.#closing.signal)
  #joining: KafkaConnection
  #coordinator: KafkaNode | undefined
  #memberId = ''
  #generation = -1
  #hasToJoin = true
  #isJoining = false
  /** When the group surely knew us last, by the monotonic clock. */
  #knownAt = 0
  #beating: NodeJS.Timeout | undefined
  /** What this member shared out, as it leads the group; undefined: it does not. */
  #led: ReadonlyMap<string, number> | undefined

  constructor(options: MembershipOptions) {
    this.#options = options
    this.#joining = options.connect()
  }

  start(): void {
    void this.#run()
  }

  /** The generation whose commits the group takes; undefined while there is none. */
  get member(): GroupMember | undefined {
    if (this.#generation < 0) return undefined
    return { group: this.#options.group, memberId: this.#memberId, generation: this.#generation }
  }

  /** @throws KafkaRequestError, KafkaBrokerError */
  async coordinator(timeoutMs: number = this.#options.requestTimeoutMs): Promise<KafkaNode> {
    if (this.#coordinator !== undefined) return this.#coordinator
    const { connection, group } = this.#options
    const node = await coordinatorOf(connection, group, timeoutMs)
    this.#coordinator = node
    return node
  }

  coordinatorMoved(): void {
    this.#coordinator = undefined
  }

  /** The topics of this member, or the partitions of a topic, have changed. */
  rejoin(): void {
    this.#hasToJoin = true
    this.#pause.end()
  }

  /** Who leads shares out again when partitions were added, and topics made or deleted. */
  topicsLed(): ReadonlyMap<string, number> | undefined {
    return this.#led
  }

  /** Leaves the group, so that others need not wait for the end of the session. */
  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#beating)
    const { connection, group } = this.#options
    const memberId = this.#memberId
    this.#generation = -1
    if (memberId !== '') {
      await this.coordinator(LEAVE_TIMEOUT_MS)
        .then(node => connection.leaveGroup(node, { group, memberId }, LEAVE_TIMEOUT_MS))
        .catch(() => undefined)
    }
    await this.#joining.close()
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#joinIfNeeded()
        this.#backoff.succeeded()
        if (!this.#hasToJoin) await this.#pause.wait(LONG_MS)
      } catch (error) {
        if (this.#isClosed) return
        this.#failed(error)
        await this.#pause.wait(this.#backoff.nextMs())
      }
    }
  }

  #failed(error: unknown): void {
    const isFatal =
      error instanceof KafkaBrokerError
        ? fatalErrors.has(error.code)
        : error instanceof KafkaRequestError && (error.failure === 'denied' || error.failure === 'unsupported')
    this.#coordinator = undefined
    this.#options.events.status({ is: isFatal ? 'fatal' : 'reconnecting', error })
  }

  async #joinIfNeeded(): Promise<void> {
    const { events } = this.#options
    while (this.#hasToJoin && !this.#isClosed) {
      const assigned = await this.#join()
      if (assigned === undefined || this.#isClosed) continue
      events.status({ is: 'running' })
      await this.#apply(assigned)
    }
  }

  /** Undefined: to be done again. */
  async #join(): Promise<readonly Place[] | undefined> {
    this.#isJoining = true
    this.#hasToJoin = false
    this.#beat()
    const outside = this.#generation < 0 ? this.#sayWaiting() : undefined
    try {
      const joined = await this.#joinGroup()
      if (joined === undefined) this.#hasToJoin = true
      const assigned = joined === undefined ? undefined : await this.#syncGroup(joined)
      if (assigned === undefined) this.#hasToJoin = true
      return assigned
    } catch (error) {
      this.#hasToJoin = true
      throw error
    } finally {
      this.#isJoining = false
      clearTimeout(outside)
    }
  }

  /** The group waits for members that died until their session is over, and for those that drain. */
  #sayWaiting(): NodeJS.Timeout {
    const { group, events } = this.#options
    const error = new KafkaRequestError('unanswered', `group ${group}: waits for its other members`)
    return setTimeout(() => {
      if (!this.#isClosed) events.status({ is: 'reconnecting', error })
    }, SOON_JOINED_MS)
  }

  async #joinGroup(): Promise<JoinGroupAnswer | undefined> {
    const { group, sessionTimeoutMs, rebalanceTimeoutMs, requestTimeoutMs, events } = this.#options
    const node = await this.coordinator()
    const generation = this.#generation
    const metadata = encodeSubscription({ topics: events.topics(), owned: events.owned(), generation })
    const request = {
      group,
      memberId: this.#memberId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocols: [{ name: PROTOCOL, metadata }],
    }
    const answer = await this.#joining.joinGroup(node, request, rebalanceTimeoutMs + requestTimeoutMs)
    if (answer.errorCode === kafkaError.none) {
      this.#memberId = answer.memberId
      this.#knownAt = performance.now()
      return answer
    }
    if (answer.errorCode === kafkaError.memberIdRequired) this.#memberId = answer.memberId
    else this.#refused(answer.errorCode, `join of group ${group}`)
    return undefined
  }

  async #syncGroup(joined: JoinGroupAnswer): Promise<readonly Place[] | undefined> {
    const { group, rebalanceTimeoutMs, requestTimeoutMs } = this.#options
    const { memberId, generation } = joined
    const assignments = memberId === joined.leaderId ? await this.#shareOut(joined) : []
    if (memberId !== joined.leaderId) this.#led = undefined
    const request = { group, memberId, generation, assignments }
    const node = await this.coordinator()
    const answer = await this.#joining.syncGroup(node, request, rebalanceTimeoutMs + requestTimeoutMs)
    if (answer.errorCode !== kafkaError.none) {
      this.#refused(answer.errorCode, `sync of group ${group}`)
      return undefined
    }
    this.#generation = generation
    this.#knownAt = performance.now()
    return decodeAssignment(answer.assignment)
  }

  async #shareOut({
    members,
  }: JoinGroupAnswer): Promise<readonly { readonly memberId: string; readonly assignment: Uint8Array }[]> {
    const subscriptions = new Map(members.map(({ memberId, metadata }) => [memberId, decodeSubscription(metadata)]))
    const topics = new Set([...subscriptions.values()].flatMap(({ topics }) => topics))
    const partitions = await this.#options.events.partitions([...topics])
    this.#led = new Map([...topics].map(topic => [topic, partitions.get(topic) ?? 0]))
    const shares = assign({ members: subscriptions, partitions })
    return Array.from(shares, ([memberId, places]) => ({ memberId, assignment: encodeAssignment(places) }))
  }

  /** The new owner of what goes elsewhere waits until this member has given it up and joins again. */
  async #apply(assigned: readonly Place[]): Promise<void> {
    const { events } = this.#options
    const wanted = new Set(assigned.map(nameOf))
    const owned = events.owned()
    const held = new Set(owned.map(nameOf))
    const given = owned.filter(place => !wanted.has(nameOf(place)))
    const added = assigned.filter(place => !held.has(nameOf(place)))
    if (added.length > 0) events.assigned(added)
    if (given.length === 0) return
    await events.revoked(given)
    this.rejoin()
  }

  #refused(errorCode: ErrorCode, what: string): void {
    if (errorCode === kafkaError.rebalanceInProgress) return
    if (errorCode === kafkaError.unknownMemberId) return this.#forgotten()
    if (errorCode === kafkaError.illegalGeneration) return this.#leftBehind()
    throw new KafkaBrokerError(errorCode, what)
  }

  #forgotten(): void {
    this.#memberId = ''
    this.#leftBehind()
  }

  /**
   * Somebody else may have everything that was ours. Joins again as the same member: the group may know it yet, and would wait
   * for the end of its session if it came as another.
   */
  #leftBehind(): void {
    this.#generation = -1
    this.#options.events.lost()
    this.rejoin()
  }

  /** From now on, until the member is forgotten or closed. */
  #beat(): void {
    clearTimeout(this.#beating)
    this.#beating = setTimeout(() => {
      void this.#sendHeartbeat().finally(() => {
        if (!this.#isClosed) this.#beat()
      })
    }, this.#options.heartbeatIntervalMs)
  }

  async #sendHeartbeat(): Promise<void> {
    const { member } = this
    if (member === undefined) return
    const { connection, sessionTimeoutMs, heartbeatIntervalMs, events } = this.#options
    const sentAt = performance.now()
    try {
      const node = await this.coordinator()
      const errorCode = await connection.heartbeat(node, member, Math.max(heartbeatIntervalMs, sessionTimeoutMs / 3))
      if (this.#isClosed || this.#generation !== member.generation) return
      this.#heard(errorCode, sentAt)
    } catch (error) {
      if (this.#isClosed) return
      this.#coordinator = undefined
      events.status({ is: 'reconnecting', error })
    }
    if (performance.now() - this.#knownAt > sessionTimeoutMs && this.#generation === member.generation) {
      await this.#sessionOver()
    }
  }

  #heard(errorCode: ErrorCode, sentAt: number): void {
    if (isStaleCoordinator(errorCode)) {
      this.#coordinator = undefined
      return
    }
    if (errorCode === kafkaError.unknownMemberId) return this.#forgotten()
    // While it joins, a new generation is on its way; any answer shows that the group knows it.
    if (errorCode === kafkaError.illegalGeneration && !this.#isJoining) return this.#leftBehind()
    this.#knownAt = sentAt
    if (errorCode === kafkaError.rebalanceInProgress) {
      if (!this.#isJoining) this.rejoin()
    } else if (errorCode === kafkaError.none) this.#options.events.status({ is: 'running' })
  }

  /** A join that waits on a dead connection would wait on. */
  async #sessionOver(): Promise<void> {
    this.#leftBehind()
    if (!this.#isJoining) return
    const stuck = this.#joining
    this.#joining = this.#options.connect()
    await stuck.close().catch(() => undefined)
  }
}

/** Who is in no group for so long says so. Sooner than anything else says that all is well. */
const SOON_JOINED_MS = 900
const LEAVE_TIMEOUT_MS = 2000
const LONG_MS = 86_400_000
