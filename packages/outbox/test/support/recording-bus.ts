import { type EventBus, MekongError, type PreparedEvent, type PublishResult } from '@mekong/core'

/** What a recording bus heard, beside what it answered. */
export interface Sent {
  readonly id: string
  readonly key: string | undefined
  readonly topic: string
  readonly body: string
}

export type Answer = (event: PreparedEvent) => 'published' | MekongError

/** The part of a bus that a relay uses, over a log. What it answers can be decided for each event. */
export interface RecordingBus extends Pick<EventBus, 'forward' | 'isDurable'> {
  /** Everything that the broker took, in order, repetitions included. */
  readonly log: readonly Sent[]
  readonly calls: readonly (readonly PreparedEvent[])[]
  answer: Answer
  isDurable: (topic: string) => boolean
  /** Called before each answer; what it waits for, the answer waits for. */
  before: ((events: readonly PreparedEvent[]) => Promise<void>) | undefined
  /** Resolves when the log is so long. */
  untilSent(count: number): Promise<void>
}

export function recordingBus(): RecordingBus {
  const log: Sent[] = []
  const calls: (readonly PreparedEvent[])[] = []
  let waiters: { readonly count: number; readonly resolve: () => void }[] = []
  const bus: RecordingBus = {
    log,
    calls,
    answer: () => 'published',
    isDurable: () => true,
    before: undefined,
    async forward(events) {
      calls.push(events)
      await bus.before?.(events)
      const stopped = new Set<string>()
      const results = events.map((event): PublishResult => {
        const { id, key, topic, type, body } = event
        const lane = key === undefined ? undefined : `${topic} ${key}`
        if (lane !== undefined && stopped.has(lane)) {
          return { is: 'failed', error: new MekongError('PUBLISH_NOT_SENT', 'an earlier event of its key failed') }
        }
        const answer = bus.answer(event)
        if (answer !== 'published') {
          if (lane !== undefined) stopped.add(lane)
          return { is: 'failed', error: answer }
        }
        log.push({ id, key, topic, body: Buffer.from(body).toString() })
        return { is: 'published', receipt: { id, type, topic } }
      })
      waiters = waiters.filter(({ count, resolve }) => {
        if (log.length < count) return true
        resolve()
        return false
      })
      return results
    },
    untilSent(count) {
      if (log.length >= count) return Promise.resolve()
      return new Promise(resolve => waiters.push({ count, resolve }))
    },
  }
  return bus
}
