import type { Options } from 'amqplib'
import type { Slot } from '../broker-names.ts'
import type { Delivery } from './delivery.ts'

/** What a reader reads: a queue of the group, or the stream of a topic. */
export interface Source {
  readonly topic: string
  readonly queue: string
  readonly kind: 'ordered' | 'unordered' | 'stream'
  /** Where it stands in its generation, if it keeps order. */
  readonly place: { readonly slot: Slot; readonly index: number } | undefined
  /** Asked for each channel. `priority` is what this member would take an ordered queue with. */
  consumeOptions(priority: number | undefined): Options.Consume
  /** Whether the bus wants it: a stream begins a little before the time that was asked for. */
  isWanted(delivery: Delivery): boolean
  /** The channel ended: where the next one goes on. */
  ended(firstUnsettled: Delivery | undefined): void
}

export function queueSource(source: Pick<Source, 'topic' | 'queue' | 'place'>): Source {
  const isOrdered = source.place !== undefined
  return {
    ...source,
    kind: isOrdered ? 'ordered' : 'unordered',
    consumeOptions: priority => (isOrdered && priority !== undefined ? { priority } : {}),
    isWanted: () => true,
    ended: () => {},
  }
}
