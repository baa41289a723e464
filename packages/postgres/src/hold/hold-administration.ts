import type { HeldFilter, HoldStore } from '@mekong/core/driver'
import type { Statement } from '../sql.ts'
import { eventColumns, eventDigest, type EventRow, heldEvent, laneDigest } from './hold-records.ts'
import { idsIn } from './hold-lanes.ts'
import type { HoldTables } from './hold-tables.ts'

type AdministrationMethods = 'lookup' | 'parkedKeys' | 'list' | 'redrive' | 'discard'

/** Looking at what is held, and what a person decides about it. */
export function holdAdministration(tables: HoldTables): Pick<HoldStore, AdministrationMethods> {
  const { sql, lane, event, lanes } = tables
  const matching = `e."group" = $1 and ($2::text is null or e.subscription = $2::text)
    and ($3::uuid is null or l.ordered and l.lane = $3::uuid) and ($4::uuid is null or e.event = $4::uuid)
    and ($5::text is null or e.state = $5::text)`
  const filterParameters = (filter: HeldFilter): readonly (string | null)[] => [
    filter.group,
    filter.subscription ?? null,
    filter.key === undefined ? null : laneDigest({ lane: filter.key, ordered: true }),
    filter.event === undefined ? null : eventDigest(filter.event),
    filter.state ?? null,
  ]
  // In one order, as everywhere, so that nobody waits in a circle.
  const lockMatching = (filter: HeldFilter): Statement => ({
    text: `select id::text as id from ${lane} where id in (
        select l.id from ${event} as e join ${lane} as l on l.id = e.lane_id where ${matching}
      ) order by id for update`,
    parameters: filterParameters(filter),
  })

  return {
    async lookup(scope, queries) {
      if (queries.length === 0) return []
      const wanted = queries.map(({ event: name, key }) => ({
        event: eventDigest(name),
        lane: key === undefined ? null : laneDigest({ lane: key, ordered: true }),
      }))
      const rows = await sql.query<{ is_held: boolean; is_parked: boolean }>(
        `select
            exists (select from ${event} where "group" = $1 and subscription = $2 and event = wanted.event) as is_held,
            exists (select from ${lane} where "group" = $1 and subscription = $2 and lane = wanted.lane) as is_parked
          from rows from (json_to_recordset($3::text::json) as (event uuid, lane uuid))
            with ordinality as wanted (event, lane, place)
          order by place`,
        [scope.group, scope.subscription, JSON.stringify(wanted)],
      )
      return rows.map(row => (row.is_held ? 'held' : row.is_parked ? 'parked' : 'free'))
    },

    async parkedKeys(scope) {
      const rows = await sql.query<{ name: string }>(
        `select name from ${lane} where "group" = $1 and subscription = $2 and ordered`,
        [scope.group, scope.subscription],
      )
      return rows.map(row => row.name)
    },

    async list(filter, { after, limit }) {
      const rows = await sql.query<EventRow>(
        `select ${eventColumns} from ${event} as e join ${lane} as l on l.id = e.lane_id
          where ${matching} and e.id > $6::text::bigint order by e.id limit $7::int`,
        [...filterParameters(filter), after ?? '0', limit + 1],
      )
      const page = rows.slice(0, limit)
      return { events: page.map(heldEvent), next: rows.length > limit ? page.at(-1)?.id : undefined }
    },

    redrive: filter =>
      tables.step(lockMatching(filter), async tx => {
        const rows = await tx.query(
          `update ${lane} as l set due_at = now() from ${event} as e
            where e.lane_id = l.id and ${matching} and e.state in ('dead', 'delayed') and not exists (
              select from ${event} as ahead where ahead.lane_id = l.id and (ahead.rank, ahead.id) < (e.rank, e.id)
            ) returning 1`,
          filterParameters(filter),
        )
        return rows.length
      }),

    discard: filter =>
      tables.step(lockMatching(filter), async (tx, [locked]) => {
        const ids = (locked as readonly { readonly id: string }[]).map(row => row.id)
        if (ids.length === 0) return 0
        const heads = await lanes.heads(tx, ids)
        const [row] = await tx.query<{ events: number }>(
          `with discarded as (
            delete from ${event} as e using ${lane} as l
            where l.id = e.lane_id and ${matching} and l.id in (${idsIn('$6')}) returning 1
          ) select count(*)::int as events from discarded`,
          [...filterParameters(filter), JSON.stringify(ids)],
        )
        const left = await lanes.heads(tx, ids)
        await lanes.removeEmpty(tx, ids)
        await lanes.refresh(
          tx,
          ids.filter(id => left.get(id) !== heads.get(id)),
        )
        return row?.events ?? 0
      }),
  }
}
