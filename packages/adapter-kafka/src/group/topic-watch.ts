import { kafkaError, KafkaBrokerError } from '../client/kafka-error.ts'
import type { ClusterView } from '../cluster-view.ts'
import type { ConsumerHealth } from './consumer-health.ts'

export interface TopicWatchOptions {
  readonly view: ClusterView
  readonly health: ConsumerHealth
  readonly requestTimeoutMs: number
  /** That this member wants. */
  readonly topics: () => Iterable<string>
  /** What this member shared out, when it leads its group. */
  readonly led: () => ReadonlyMap<string, number> | undefined
  /** Something is to be shared out that was not there before, or the other way round. */
  readonly changed: () => void
  /** A topic that this member wants surely does not exist. */
  readonly gone: (topic: string) => void
}

const LOOK_EVERY_MS = 1000
/** A node that is behind the others does not know a new topic yet. */
const SURELY_GONE_MS = 2000

/** Waits for topics that do not exist yet, and notices those that are deleted and partitions that are added. */
export class TopicWatch {
  readonly #options: TopicWatchOptions
  readonly #missingSince = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(options: TopicWatchOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => {
        if (!this.#isStopped) this.start()
      })
    }, LOOK_EVERY_MS)
    this.#timer.unref()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    const { view, requestTimeoutMs, topics, led, changed } = this.#options
    const wanted = new Set([...topics(), ...(led()?.keys() ?? [])])
    if ([...wanted].some(topic => view.isMissing(topic))) view.outdate()
    try {
      await view.load([...wanted], requestTimeoutMs)
    } catch {
      // Who cannot reach the cluster says so elsewhere.
      return
    }
    if (this.#isStopped) return
    this.#noteMissing(wanted)
    this.#reportMissing()
    const shared = led()
    if (shared !== undefined && [...shared].some(([topic, count]) => this.#countOf(topic, count) !== count)) changed()
  }

  #noteMissing(wanted: ReadonlySet<string>): void {
    const now = performance.now()
    for (const topic of wanted) {
      if (!this.#options.view.isMissing(topic)) this.#missingSince.delete(topic)
      else if (!this.#missingSince.has(topic)) this.#missingSince.set(topic, now)
    }
  }

  #reportMissing(): void {
    const gone = [...this.#options.topics()].filter(topic => this.#isGone(topic))
    for (const topic of gone) this.#options.gone(topic)
    this.#options.health.report(
      'topics',
      gone.length === 0
        ? { is: 'running' }
        : {
            is: 'degraded',
            error: new KafkaBrokerError(kafkaError.unknownTopicOrPartition, `waiting for topic ${gone.join(', ')}`),
          },
    )
  }

  #countOf(topic: string, before: number): number {
    const { view } = this.#options
    if (view.isMissing(topic)) return this.#isGone(topic) ? 0 : before
    return view.partitionsOf(topic)?.length ?? before
  }

  #isGone(topic: string): boolean {
    const since = this.#missingSince.get(topic)
    return since !== undefined && performance.now() - since > SURELY_GONE_MS
  }
}
