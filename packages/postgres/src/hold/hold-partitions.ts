import type { HoldStore, PartitionMark, UnendedStart } from '@mekong/core/driver'
import type { HoldTables } from './hold-tables.ts'

type PartitionMethods = 'openPartition' | 'recordStarts' | 'closePartition'

/** Which partitions somebody works on: a row each, that outlives an owner who ends without a word. */
export function holdPartitions({ sql, mark: table }: HoldTables): Pick<HoldStore, PartitionMethods> {
  const own = '"group" = $1 and topic = $2 and "partition" = $3 and owner = $4 and token = $5'
  const parametersOf = (mark: PartitionMark): readonly string[] => [
    mark.group,
    mark.topic,
    mark.partition,
    mark.owner,
    mark.token,
  ]

  return {
    async openPartition(mark) {
      const [row] = await sql.query<{ starts: readonly UnendedStart[] | null }>(
        `insert into ${table} as before ("group", topic, "partition", owner, token) values ($1, $2, $3, $4, $5)
          on conflict ("group", topic, "partition") do update set
            owner = excluded.owner, token = excluded.token, opened_at = excluded.opened_at,
            starts = case when before.owner = excluded.owner then before.starts else coalesce(before.starts, '[]') end
          returning starts`,
        parametersOf(mark),
      )
      return row?.starts ?? undefined
    },

    async recordStarts(mark, starts) {
      const recorded = await sql.query(`update ${table} set starts = $6::text::json where ${own} returning 1`, [
        ...parametersOf(mark),
        starts === undefined ? null : JSON.stringify(starts),
      ])
      return recorded.length > 0
    },

    async closePartition(mark) {
      await sql.query(`delete from ${table} where ${own}`, parametersOf(mark))
    },
  }
}
