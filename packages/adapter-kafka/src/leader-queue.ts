import type { Fate } from '@mekong/core/driver'
import type { Compression, KafkaConnection, KafkaNode, OutgoingRecord, Place } from './client/kafka-client.ts'
import { classify, fateOfAnswer, fateOfFailure, isStaleMetadata } from './kafka-failures.ts'

/** The messages of one publish for one partition. They are stored or refused together, in this order. */
export interface Sending extends Place {
  readonly records: readonly OutgoingRecord[]
  readonly bytes: number
  /** By the monotonic clock. */
  readonly deadline: number
  /** Set when it is on its way: from then on nobody but the broker knows what becomes of it. */
  isSent: boolean
  /** Must not share a batch: it was refused in one, perhaps because of its company. */
  isAlone: boolean
  /** Nobody waits for its answer any more. */
  isGivenUp: boolean
  /** Called once, unless it was given up before. */
  answer: (fate: Fate) => void
}

export interface LeaderQueueOptions {
  readonly connection: KafkaConnection
  readonly node: KafkaNode
  readonly compression: Compression
  /** Of one partition in one request: the limit that the broker has for a batch. */
  readonly maxBatchBytes: number
  readonly maxRequestBytes: number
  readonly onStale: () => void
}

/**
 * What waits to be sent to one leader. One request is on its way at a time, so that what the leader takes first is stored
 * first; everything that came meanwhile goes with the next.
 */
export class LeaderQueue {
  readonly #options: LeaderQueueOptions
  #waiting: Sending[] = []
  #isBusy = false

  constructor(options: LeaderQueueOptions) {
    this.#options = options
  }

  /** A broker may come back under its id at another address. */
  isOf({ host, port }: KafkaNode): boolean {
    return this.#options.node.host === host && this.#options.node.port === port
  }

  /** It goes with the next `send`. */
  add(sending: Sending): void {
    this.#waiting.push(sending)
  }

  /** Everything that was added goes together: now, or when what is on its way has its answer. */
  send(): void {
    if (this.#isBusy || this.#waiting.length === 0) return
    this.#isBusy = true
    void this.#produce(this.#take()).finally(() => {
      this.#isBusy = false
      this.send()
    })
  }

  /** Takes back what was not sent; what was is not sent again. */
  giveUp(sending: Sending): void {
    sending.isGivenUp = true
    const index = this.#waiting.indexOf(sending)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  /** In the order of arrival, as far as batches and request have room. The first always fits. */
  #take(): readonly (readonly Sending[])[] {
    const { maxBatchBytes, maxRequestBytes } = this.#options
    const parts = new Map<string, { sendings: Sending[]; bytes: number; isFull: boolean }>()
    const rest: Sending[] = []
    let requestBytes = 0
    for (const sending of this.#waiting) {
      const name = `${sending.topic}/${sending.partition}`
      const part = parts.get(name) ?? { sendings: [], bytes: 0, isFull: false }
      const isShared = !sending.isAlone && part.sendings[0]?.isAlone !== true
      const fits = part.sendings.length === 0 || (isShared && part.bytes + sending.bytes <= maxBatchBytes)
      const hasRoom = requestBytes === 0 || requestBytes + sending.bytes <= maxRequestBytes
      parts.set(name, part)
      // Nothing of a partition overtakes what came before it.
      part.isFull ||= !fits || !hasRoom
      if (part.isFull) rest.push(sending)
      else {
        part.sendings.push(sending)
        part.bytes += sending.bytes
        requestBytes += sending.bytes
      }
    }
    this.#waiting = rest
    return [...parts.values()].filter(({ sendings }) => sendings.length > 0).map(({ sendings }) => sendings)
  }

  async #produce(parts: readonly (readonly Sending[])[]): Promise<void> {
    const { connection, node, compression } = this.#options
    let deadline = 0
    for (const sendings of parts) {
      for (const sending of sendings) {
        sending.isSent = true
        deadline = Math.max(deadline, sending.deadline)
      }
    }
    const timeoutMs = Math.max(1, deadline - performance.now())
    const request = { ackTimeoutMs: Math.ceil(timeoutMs * 0.9), compression, parts: parts.map(toPart) }
    try {
      const answers = await connection.produce(node, request, timeoutMs)
      for (const [index, sendings] of parts.entries()) this.#answered(sendings, answers[index]!.errorCode)
    } catch (error) {
      this.#options.onStale()
      const fate = fateOfFailure(error)
      for (const sendings of parts) for (const sending of sendings) sending.answer(fate)
    }
  }

  #answered(sendings: readonly Sending[], errorCode: number): void {
    const [{ topic, partition }] = sendings as [Sending]
    if (isStaleMetadata(errorCode)) this.#options.onStale()
    const fate = fateOfAnswer(errorCode, `publish to ${topic}/${partition}`)
    if (sendings.length > 1 && isFaultOfOne(fate)) return this.#separate(sendings)
    for (const sending of sendings) sending.answer(fate)
  }

  /** What this queue put together was refused as a whole: each publish is to hear its own answer. */
  #separate(sendings: readonly Sending[]): void {
    const wanted = sendings.filter(({ isGivenUp }) => !isGivenUp)
    for (const sending of wanted) {
      sending.isAlone = true
      sending.isSent = false
    }
    this.#waiting.unshift(...wanted)
  }
}

/** Otherwise it is the same for each of them. */
function isFaultOfOne(fate: Fate): boolean {
  if (fate.is !== 'not-stored') return false
  const failure = classify(fate.error)
  return failure === 'too-large' || failure === 'illegal'
}

function toPart(sendings: readonly Sending[]): Place & { readonly records: readonly OutgoingRecord[] } {
  const [first] = sendings as [Sending]
  const records = sendings.length === 1 ? first.records : sendings.flatMap(sending => sending.records)
  return { topic: first.topic, partition: first.partition, records }
}
