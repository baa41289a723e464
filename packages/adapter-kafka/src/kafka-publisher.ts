import { systemClock, wait } from '@mekong/core/driver'
import type { Fate, Outgoing } from '@mekong/core/driver'
import type { ClusterView } from './cluster-view.ts'
import type { Compression, KafkaConnection, OutgoingRecord } from './client/kafka-client.ts'
import { kafkaError, KafkaBrokerError, KafkaRequestError } from './client/kafka-error.ts'
import { bytesOf, keyBytes, toRecord } from './kafka-message.ts'
import { partitionOfKey, StickyPartitions } from './kafka-partitioner.ts'
import { LeaderQueue, type Sending } from './leader-queue.ts'

export interface PublisherOptions {
  readonly connection: KafkaConnection
  readonly view: ClusterView
  readonly compression: Compression
  readonly maxBatchBytes: number
  readonly maxRequestBytes: number
}

/** How long a topic that the cluster does not know is looked for: one that was just created is not known everywhere at once. */
const MISSING_TOPIC_PATIENCE_MS = 3000
const LOOK_AGAIN_AFTER_MS = 100

/** What is being made of one publish for one partition. */
interface Part {
  readonly indexes: number[]
  readonly records: OutgoingRecord[]
  bytes: number
}

/** The publishing side: a plain producer with `acks: all`. It sends everything once, and tells what became of it. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #sticky = new StickyPartitions()
  readonly #queues = new Map<number, LeaderQueue>()
  readonly #open = new Set<() => void>()
  #isClosed = false

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  partitionOf({ topic, key }: Outgoing): string {
    const bytes = keyBytes(key)
    if (bytes === null) return topic
    const partitions = this.#options.view.partitionsOf(topic)
    // Not known yet: as if each hash had a partition of its own.
    return `${topic}/${partitionOfKey(bytes, partitions?.length ?? 0x7f_ff_ff_ff)}`
  }

  async publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly Fate[]> {
    const deadline = performance.now() + timeoutMs
    try {
      this.#refuseWhenClosed()
      const topics = [...new Set(batch.map(({ topic }) => topic))]
      if (!this.#options.view.knows(topics)) await this.#findTopics(topics, deadline)
      this.#refuseWhenClosed()
    } catch (error) {
      return batch.map(() => ({ is: 'not-stored', error }))
    }
    return this.#send(batch, deadline)
  }

  /** What was not sent is not stored; of what was, nobody knows. */
  close(): void {
    this.#isClosed = true
    for (const end of this.#open) end()
  }

  #refuseWhenClosed(): void {
    if (this.#isClosed) throw new KafkaRequestError('closed', 'this driver was closed')
  }

  async #findTopics(topics: readonly string[], deadline: number): Promise<void> {
    const { view } = this.#options
    const patientUntil = Math.min(deadline, performance.now() + MISSING_TOPIC_PATIENCE_MS)
    for (;;) {
      await view.load(topics, Math.max(1, deadline - performance.now()))
      const missing = topics.filter(topic => view.isMissing(topic))
      if (missing.length === 0) return
      if (this.#isClosed || performance.now() + LOOK_AGAIN_AFTER_MS > patientUntil) {
        for (const topic of missing) view.forget(topic)
        return
      }
      view.outdate()
      await wait(systemClock, LOOK_AGAIN_AFTER_MS)
    }
  }

  #send(batch: readonly Outgoing[], deadline: number): Promise<readonly Fate[]> {
    const fates = Array.from<Fate | undefined>({ length: batch.length })
    const sendings = this.#sendingsOf(batch, fates, deadline)
    return new Promise(resolve => {
      let open = sendings.length
      const finish = (): void => {
        clearTimeout(timer)
        this.#open.delete(giveUp)
        resolve(fates as Fate[])
      }
      const giveUp = (): void => {
        for (const { sending, indexes, queue } of sendings) {
          queue.giveUp(sending)
          const fate = this.#givenUp(sending)
          for (const index of indexes) fates[index] ??= fate
        }
        open = 0
        finish()
      }
      const timer = setTimeout(giveUp, Math.max(0, deadline - performance.now()))
      this.#open.add(giveUp)
      for (const { sending, indexes, queue } of sendings) {
        sending.answer = fate => {
          if (open === 0) return
          for (const index of indexes) fates[index] = fate
          if (--open === 0) finish()
        }
        queue.add(sending)
      }
      for (const queue of new Set(sendings.map(sending => sending.queue))) queue.send()
      if (open === 0) finish()
    })
  }

  #givenUp({ isSent, topic, partition }: Sending): Fate {
    const what = `publish to ${topic}/${partition}`
    const failure = this.#isClosed ? 'closed' : isSent ? 'unanswered' : 'unsent'
    const error = new KafkaRequestError(failure, `${what}: ${isSent ? 'no answer in time' : 'not sent in time'}`)
    return { is: isSent ? 'unknown' : 'not-stored', error }
  }

  /** What cannot be sent at all has its fate already and is in none of them. */
  #sendingsOf(
    batch: readonly Outgoing[],
    fates: (Fate | undefined)[],
    deadline: number,
  ): readonly { readonly sending: Sending; readonly indexes: readonly number[]; readonly queue: LeaderQueue }[] {
    const topics = new Map<string, Map<number, Part>>()
    const now = Date.now()
    for (const [index, outgoing] of batch.entries()) {
      const partition = this.#partitionFor(outgoing)
      if (partition instanceof Error) fates[index] = { is: 'not-stored', error: partition }
      else addTo(partOf(topics, outgoing.topic, partition), index, outgoing, now)
    }
    const sendings = []
    for (const [topic, parts] of topics) {
      for (const [partition, { indexes, records, bytes }] of parts) {
        const queue = this.#queueOf(topic, partition)
        if (queue instanceof Error) for (const index of indexes) fates[index] = { is: 'not-stored', error: queue }
        else {
          const sending = {
            topic,
            partition,
            records,
            bytes,
            deadline,
            isSent: false,
            isAlone: false,
            isGivenUp: false,
            answer: () => undefined,
          }
          sendings.push({ sending, indexes, queue })
        }
      }
    }
    return sendings
  }

  #partitionFor(outgoing: Outgoing): number | KafkaBrokerError {
    const { view } = this.#options
    const { topic, key } = outgoing
    const partitions = view.partitionsOf(topic)
    if (partitions === undefined) {
      const code = view.errorCodeOf(topic)
      return new KafkaBrokerError(
        code === kafkaError.none ? kafkaError.leaderNotAvailable : code,
        `publish to ${topic}`,
      )
    }
    const bytes = keyBytes(key)
    if (bytes !== null) return partitionOfKey(bytes, partitions.length)
    const led = partitions.filter(({ leader }) => leader >= 0).map(({ id }) => id)
    const partition = this.#sticky.next(topic, led, bytesOf(outgoing))
    return partition ?? new KafkaBrokerError(kafkaError.leaderNotAvailable, `publish to ${topic}`)
  }

  #queueOf(topic: string, partition: number): LeaderQueue | KafkaBrokerError {
    const { view, connection, compression, maxBatchBytes, maxRequestBytes } = this.#options
    const node = view.leaderOf({ topic, partition })
    if (node === undefined) {
      view.outdate()
      return new KafkaBrokerError(kafkaError.leaderNotAvailable, `publish to ${topic}/${partition}`)
    }
    const found = this.#queues.get(node.id)
    if (found !== undefined && found.isOf(node)) return found
    const onStale = (): void => view.outdate()
    const queue = new LeaderQueue({ connection, node, compression, maxBatchBytes, maxRequestBytes, onStale })
    this.#queues.set(node.id, queue)
    return queue
  }
}

function partOf(topics: Map<string, Map<number, Part>>, topic: string, partition: number): Part {
  let parts = topics.get(topic)
  if (parts === undefined) topics.set(topic, (parts = new Map<number, Part>()))
  let part = parts.get(partition)
  if (part === undefined) parts.set(partition, (part = { indexes: [], records: [], bytes: 0 }))
  return part
}

function addTo(part: Part, index: number, outgoing: Outgoing, now: number): void {
  part.indexes.push(index)
  part.records.push(toRecord(outgoing, keyBytes(outgoing.key), now))
  part.bytes += bytesOf(outgoing)
}
