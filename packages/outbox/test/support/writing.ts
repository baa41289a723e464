import type { Sql } from '@mekong/postgres'
import type { Outbox } from '../../src/index.ts'

/** One transaction with events 1 to `count` of a key, or from `from` on. */
export async function writeRun(
  { sql, outbox }: { readonly sql: Sql; readonly outbox: Outbox },
  key: string | undefined,
  {
    count,
    from = 1,
    topic = 'test.event',
  }: { readonly count: number; readonly from?: number; readonly topic?: string },
): Promise<readonly string[]> {
  const receipts = await sql.transaction(tx =>
    outbox.publishMany(
      tx,
      Array.from({ length: count }, (_, index) => ({
        type: topic,
        data: { n: from + index },
        options: key === undefined ? {} : { key },
      })),
    ),
  )
  return receipts.map(({ id }) => id)
}

/** The numbers that a log has of a key, in its order. */
export function numbersOf(
  log: readonly { readonly key: string | undefined; readonly body: string }[],
  key: string,
): readonly number[] {
  return log.filter(entry => entry.key === key).map(({ body }) => (JSON.parse(body) as { n: number }).n)
}

/** 1, 2, 3, … */
export function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
