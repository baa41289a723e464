import type { Clock } from '@mekong/core'
import { wait } from '@mekong/core/driver'
import type { Bucket } from './bucket.ts'
import { fenceParameters, heldExpression, type Refused, refusedOf } from './fence.ts'
import type { OutboxRow } from './outbox-row.ts'
import { arrayText, type Database } from './read.ts'
import type { RelayObserver } from './relay-signal.ts'

export interface DeliveryMarksOptions {
  readonly database: Database
  readonly owner: string
  readonly clock: Clock
  readonly observe: RelayObserver
  /** This row is marked: nothing of it is left to do. */
  readonly marked: (bucket: Bucket, row: OutboxRow) => void
  readonly refused: (buckets: Refused) => void
}

/** Writes down what is delivered. What comes while a statement is under way goes together with the next. */
export interface DeliveryMarks {
  add(bucket: Bucket, rows: readonly OutboxRow[]): void
}

const ROWS_PER_STATEMENT = 2000
const RETRY_MS = 250

export function createDeliveryMarks(options: DeliveryMarksOptions): DeliveryMarks {
  const { clock, observe } = options
  let waiting: Mark[] = []
  let isWriting = false

  // Never given up while the bucket is ours: without its mark an event would be published again by the next owner.
  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const marks = waiting.splice(0, ROWS_PER_STATEMENT).filter(({ bucket }) => !bucket.isClosed)
      if (marks.length === 0) continue
      const startedAt = clock.monotonic()
      try {
        options.refused(await insertMarks(options, marks))
        observe({ is: 'marked', rows: marks.length, tookMs: clock.monotonic() - startedAt })
        for (const { bucket, row } of marks) options.marked(bucket, row)
      } catch (error) {
        observe({ is: 'database-failed', during: 'mark', error })
        waiting = [...marks, ...waiting]
        await wait(clock, RETRY_MS)
      }
    }
    isWriting = false
  }

  return {
    add(bucket, rows) {
      for (const row of rows) waiting.push({ bucket, row })
      if (isWriting || waiting.length === 0) return
      isWriting = true
      // After this turn of the event loop, in which more answers may come.
      queueMicrotask(() => void write())
    },
  }
}

interface Mark {
  readonly bucket: Bucket
  readonly row: OutboxRow
}

/** Safe to run again when the answer was lost. */
async function insertMarks({ database, owner }: DeliveryMarksOptions, marks: readonly Mark[]): Promise<Refused> {
  const buckets = Array.from(new Set(marks.map(({ bucket }) => bucket)))
  const held = await database.query<{ bucket: number }>(
    `with ${heldExpression(database)}, marked as (
      insert into ${database.table('outbox_delivered')} (leaf, position, fence)
      select mark.leaf, mark.position, held.fence
      from unnest($4::text::smallint[], $5::text::bigint[], $6::text::smallint[]) as mark (leaf, position, bucket)
      join held on held.bucket = mark.bucket
      on conflict do nothing
    ) select bucket::int as bucket from held`,
    [
      ...fenceParameters(owner, buckets),
      arrayText(marks.map(({ row }) => row.leaf)),
      arrayText(marks.map(({ row }) => row.position)),
      arrayText(marks.map(({ row }) => row.bucket)),
    ],
  )
  return refusedOf(buckets, held)
}
