import type { CommittedOffset, GroupMember, KafkaConnection } from '../client/kafka-client.ts'
import { kafkaError, KafkaBrokerError } from '../client/kafka-error.ts'
import { isRebalance, isStaleCoordinator } from '../kafka-failures.ts'
import type { AssignedPartition } from './assigned-partition.ts'
import type { ConsumerHealth } from './consumer-health.ts'
import type { Membership } from './membership.ts'

export interface CommitsOptions {
  readonly connection: KafkaConnection
  readonly membership: Pick<Membership, 'member' | 'coordinator' | 'coordinatorMoved'>
  readonly health: ConsumerHealth
  readonly intervalMs: number
  readonly requestTimeoutMs: number
}

/**
 * Writes down at the group how far each partition is settled: all that moved within an interval in one request, one request
 * at a time. A commit carries the generation in which the partition is ours, so that the broker refuses it when it is late.
 */
export class Commits {
  readonly #options: CommitsOptions
  readonly #dirty = new Set<AssignedPartition>()
  #timer: NodeJS.Timeout | undefined
  #committing: Promise<boolean> = Promise.resolve(true)
  #isClosed = false

  constructor(options: CommitsOptions) {
    this.#options = options
  }

  /** It may have moved. */
  touch(partition: AssignedPartition): void {
    this.#dirty.add(partition)
    if (this.#timer !== undefined || this.#isClosed) return
    this.#timer = setTimeout(() => void this.flush(), this.#options.intervalMs)
  }

  /** Resolves with whether the group has on record all that was settled when this was called, as far as it is ours. */
  flush(): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#committing = this.#committing.then(() => this.#commit())
    return this.#committing
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #commit(): Promise<boolean> {
    const { membership } = this.#options
    const moved = [...this.#dirty].filter(partition => !partition.isLost && partition.position !== partition.committed)
    this.#dirty.clear()
    const { member } = membership
    if (moved.length === 0) return this.#settled(true)
    const offsets = moved.map(({ topic, partition, position: offset, metadata }) => ({
      topic,
      partition,
      offset,
      metadata,
    }))
    const isDone = member !== undefined && (await this.#send(member, moved, offsets))
    // A rebalance, or a broker that is away: what is ours still is committed later.
    if (!isDone) for (const partition of moved) if (!partition.isLost) this.touch(partition)
    return this.#settled(isDone)
  }

  #settled(isDone: boolean): boolean {
    if (isDone) this.#options.health.report('commit', { is: 'running' })
    return isDone
  }

  async #send(
    member: GroupMember,
    moved: readonly AssignedPartition[],
    offsets: readonly CommittedOffset[],
  ): Promise<boolean> {
    const { connection, membership, requestTimeoutMs } = this.#options
    try {
      const node = await membership.coordinator()
      const errorCodes = await connection.commitOffsets(node, member, offsets, requestTimeoutMs)
      for (const [index, errorCode] of errorCodes.entries()) {
        if (errorCode === kafkaError.none) moved[index]!.committed = offsets[index]!.offset
        else if (isStaleCoordinator(errorCode)) membership.coordinatorMoved()
        else if (!passes(errorCode)) this.#refused(errorCode, member)
      }
      // Of a topic that was deleted there is nothing to commit.
      return errorCodes.every(code => code === kafkaError.none || code === kafkaError.unknownTopicOrPartition)
    } catch (error) {
      membership.coordinatorMoved()
      this.#options.health.report('commit', { is: 'reconnecting', error })
      return false
    }
  }

  /** The consumer works on, and after a restart does all of it again: that is to be known. */
  #refused(errorCode: number, { group }: GroupMember): void {
    const error = new KafkaBrokerError(errorCode, `commit of group ${group}`)
    this.#options.health.report('commit', { is: 'degraded', error })
  }
}

function passes(errorCode: number): boolean {
  return isRebalance(errorCode) || errorCode === kafkaError.unknownTopicOrPartition
}
