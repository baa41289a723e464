import { wait, type Clock } from '@mekong/core/driver'
import { sharedNames } from '../broker-names.ts'
import type { Requests } from '../connection/requests.ts'
import { isNotFound } from '../rabbitmq-failures.ts'
import type { QueueReader, QueueState } from './queue-reader.ts'

export interface QueueWatchOptions {
  readonly readers: () => readonly QueueReader[]
  readonly requests: Requests
  readonly everyMs: number
  /** How many messages were set aside, in all groups of the virtual host. */
  readonly onBackstop: (messages: number) => void
  readonly clock: Clock
  /** The consumer takes no more. */
  readonly signal: AbortSignal
}

/**
 * Compares what should be consumed with what the broker says. It tells of a consumer that it cancels and of a channel that
 * it closes; this is for what nobody was told: a consumer that dies in silence is the worst that can happen to a bus.
 */
export class QueueWatch {
  readonly #options: QueueWatchOptions

  constructor(options: QueueWatchOptions) {
    this.#options = options
  }

  /** Until the signal. Never rejects. */
  async run(): Promise<void> {
    const { clock, everyMs, signal, readers } = this.#options
    for (;;) {
      await wait(clock, everyMs, signal)
      if (signal.aborted) return
      // Where the broker does not answer, the connection says so.
      for (const reader of readers()) await this.#look(reader).catch(() => undefined)
      await this.#lookAside().catch(() => undefined)
    }
  }

  async #look(reader: QueueReader): Promise<void> {
    await reader.looked(await this.#stateOf(reader.source.queue))
  }

  async #lookAside(): Promise<void> {
    const state = await this.#stateOf(sharedNames.backstop)
    this.#options.onBackstop(state?.messageCount ?? 0)
  }

  async #stateOf(queue: string): Promise<QueueState | undefined> {
    try {
      return await this.#options.requests.ask(channel => channel.checkQueue(queue))
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }
}
