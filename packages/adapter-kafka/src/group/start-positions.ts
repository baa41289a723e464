import type { StartPosition } from '@mekong/core/driver'
import type { CommittedAnswer, ErrorCode, OffsetAnswer, OffsetWish, Place } from '../client/kafka-client.ts'
import { kafkaError } from '../client/kafka-error.ts'

/**
 * Beside each offset stands how many partitions its topic had when the group began with it, and whether the group was only
 * declared then. So one can tell a partition that was added since, which is read from its beginning because the group must
 * miss nothing of it, from one that nobody of the group has come to yet.
 */
export interface Beginning {
  readonly partitions: number
  readonly isDeclared: boolean
}

const pattern = /^mekong( declared)? partitions=(\d+)$/

export function writeBeginning({ partitions, isDeclared }: Beginning): string {
  return `mekong${isDeclared ? ' declared' : ''} partitions=${partitions}`
}

/** What other clients commit says nothing about it. */
export function readBeginning(metadata: string): Beginning | undefined {
  const [match, declared, partitions] = pattern.exec(metadata) ?? []
  return match === undefined ? undefined : { partitions: Number(partitions), isDeclared: declared !== undefined }
}

/** What is to be done with a partition that this member got. */
export interface Start {
  readonly place: Place
  /** Undefined: it goes on at `committed`. */
  readonly at: OffsetWish['at'] | undefined
  readonly committed: number
  readonly metadata: string
}

export interface StartInput {
  readonly places: readonly Place[]
  /** What the group has of every partition of their topics, by topic. */
  readonly committed: ReadonlyMap<string, readonly CommittedAnswer[]>
  readonly from: (topic: string) => StartPosition
}

/** Where a group begins with partitions that it got. Pure. */
export function startsOf({ places, committed, from }: StartInput): readonly Start[] {
  return places.map(place => {
    const answers = committed.get(place.topic) ?? []
    const own = answers[place.partition]
    const beginning = readBeginning(own?.metadata ?? '')
    const metadata = writeBeginning({ partitions: beginning?.partitions ?? answers.length, isDeclared: false })
    if (own === undefined || own.offset < 0) {
      const at = isAdded(place.partition, answers) ? 'earliest' : from(place.topic)
      return { place, at, committed: -1, metadata }
    }
    // Declared, and nobody was there yet: `latest` is where it was declared, so that nothing since then is missed.
    const wished = from(place.topic)
    const isFirst = beginning?.isDeclared === true && wished !== 'latest'
    const kept = beginning === undefined ? own.metadata : metadata
    return { place, at: isFirst ? wished : undefined, committed: own.offset, metadata: kept }
  })
}

/** The group has begun with this topic when it had fewer partitions. */
export function isAdded(partition: number, answers: readonly CommittedAnswer[]): boolean {
  return answers.some(({ offset, metadata }) => offset >= 0 && (readBeginning(metadata)?.partitions ?? 0) <= partition)
}

/** A time behind the last message is the end. */
export function isBehindAll(at: OffsetWish['at'], { errorCode, offset }: OffsetAnswer): boolean {
  return typeof at === 'object' && errorCode === kafkaError.none && offset < 0
}

export function firstError(answers: readonly { readonly errorCode: ErrorCode }[]): ErrorCode {
  return answers.find(({ errorCode }) => errorCode !== kafkaError.none)?.errorCode ?? kafkaError.none
}
