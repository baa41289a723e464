import type { HoldScope } from '@mekong/core/driver'
import type { TableName } from '../sql-name.ts'
import type { Statement, Transaction } from '../sql.ts'
import { eventDigest, laneDigest, type LaneName } from './hold-records.ts'

/** A lane whose row this transaction has locked: nobody adds to it or takes from it meanwhile. */
export interface LockedLane {
  readonly id: string
  readonly group: string
  readonly subscription: string
  readonly lane: string
  readonly owner: string | null
  readonly fence: number
}

/** The statements on lanes that the methods of the hold store are made of. */
export interface HoldLanes {
  /** Locks those that exist, in one order for all, as a `begin` statement. */
  lock(lanes: readonly LaneName[]): Statement
  /** Locks one that a record points to. */
  lockById(tx: Transaction, laneId: string): Promise<void>
  /** Makes the lane if it is not there, and locks it. Undefined: the scope has `maxLanes` already. */
  create(
    tx: Transaction,
    lane: LaneName,
    maxLanes: number,
  ): Promise<{ readonly lane: LockedLane; readonly isNew: boolean } | undefined>
  /** The id of the lane of one event that was taken out of another: there is no limit to those. */
  createOwn(tx: Transaction, lane: LaneName): Promise<string>
  countEvents(tx: Transaction, laneIds: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** The id of the first event of each lane that has one. */
  heads(tx: Transaction, laneIds: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** Removes those without an event that nobody runs. */
  removeEmpty(tx: Transaction, laneIds: readonly string[]): Promise<void>
  /** When the lane falls due is written anew after its head has changed; nobody has failed to end the new one. */
  refresh(tx: Transaction, laneIds: readonly string[]): Promise<void>
  /** The same, if this event is a head now. */
  refreshAtHead(tx: Transaction, scope: HoldScope, event: string): Promise<void>
}

export function holdLanes(table: TableName): HoldLanes {
  const [lane, event] = [table('hold_lane'), table('held_event')]
  const columns = 'id::text as id, "group", subscription, lane::text as lane, owner, fence::float8 as fence'
  const due = "case head.state when 'parked' then least(now(), head.held_at) when 'delayed' then head.due_at end"

  const lock = (lanes: readonly LaneName[]): Statement => ({
    text: `select ${columns} from ${lane} where ("group", subscription, lane) in (
        select "group", subscription, lane
        from json_to_recordset($1::text::json) as wanted ("group" text, subscription text, lane uuid)
      ) order by id for update`,
    parameters: [JSON.stringify(lanes.map(({ scope, ...name }) => ({ ...scope, lane: laneDigest(name) })))],
  })

  return {
    lock,

    async lockById(tx, laneId) {
      await tx.query(`select 1 from ${lane} where id = $1::bigint for update`, [laneId])
    },

    async create(tx, { scope, ...name }, maxLanes) {
      // One at a time in a scope, so that they do not pass the limit together.
      await tx.query("select pg_advisory_xact_lock(hashtextextended('mekong.hold ' || $1::text, 0))", [
        JSON.stringify([lane, scope.group, scope.subscription]),
      ])
      const created = await tx.query(
        `insert into ${lane} ("group", subscription, lane, name, ordered)
          select $1::text, $2::text, $3::uuid, $4::text::json, $5::boolean
          where (select count(*) from (
            select 1 from ${lane} where "group" = $1::text and subscription = $2::text limit $6::int
          ) as others) < $6::int
          on conflict do nothing returning 1 as created`,
        [scope.group, scope.subscription, laneDigest(name), JSON.stringify(name.lane), name.ordered, limitOf(maxLanes)],
      )
      const { text, parameters } = lock([{ scope, ...name }])
      const [locked] = await tx.query<LockedLane>(text, parameters)
      return locked && { lane: locked, isNew: created.length === 1 }
    },

    async createOwn(tx, { scope, ...name }) {
      // An update changes nothing, but locks the lane and gives its id.
      const [own] = await tx.query<{ id: string }>(
        `insert into ${lane} ("group", subscription, lane, name, ordered)
          values ($1::text, $2::text, $3::uuid, $4::text::json, $5::boolean)
          on conflict ("group", subscription, lane) do update set ordered = excluded.ordered
          returning id::text as id`,
        [scope.group, scope.subscription, laneDigest(name), JSON.stringify(name.lane), name.ordered],
      )
      return own!.id
    },

    async countEvents(tx, laneIds) {
      const rows = await tx.query<{ lane_id: string; events: number }>(
        `select lane_id::text as lane_id, count(*)::int as events from ${event}
          where lane_id in (${idsIn('$1')}) group by lane_id`,
        [JSON.stringify(laneIds)],
      )
      return new Map(rows.map(row => [row.lane_id, row.events]))
    },

    async heads(tx, laneIds) {
      const rows = await tx.query<{ lane_id: string; id: string }>(
        `select distinct on (e.lane_id) e.lane_id::text as lane_id, e.id::text as id from ${event} as e
          where e.lane_id in (${idsIn('$1')}) order by e.lane_id, e.rank, e.id`,
        [JSON.stringify(laneIds)],
      )
      return new Map(rows.map(row => [row.lane_id, row.id]))
    },

    async removeEmpty(tx, laneIds) {
      await tx.query(
        `delete from ${lane} as l where l.id in (${idsIn('$1')}) and (l.owner is null or l.leased_until <= now())
          and not exists (select from ${event} where lane_id = l.id)`,
        [JSON.stringify(laneIds)],
      )
    },

    async refresh(tx, laneIds) {
      // An empty lane is somebody's who runs it: due when that lease ends, so that it is not left behind.
      await tx.query(
        `update ${lane} as l set takeovers = 0, due_at = case
            when exists (select from ${event} where lane_id = l.id) then (
              select ${due} from ${event} as head where head.lane_id = l.id order by head.rank, head.id limit 1
            ) else l.leased_until end
          where l.id in (${idsIn('$1')})`,
        [JSON.stringify(laneIds)],
      )
    },

    async refreshAtHead(tx, scope, name) {
      await tx.query(
        `update ${lane} as l set due_at = ${due} from ${event} as head
          where head."group" = $1 and head.subscription = $2 and head.event = $3 and l.id = head.lane_id
            and not exists (
              select from ${event} as ahead
              where ahead.lane_id = head.lane_id and (ahead.rank, ahead.id) < (head.rank, head.id)
            )`,
        [scope.group, scope.subscription, eventDigest(name)],
      )
    },
  }
}

/** Ids from a JSON parameter. */
export const idsIn = (parameter: string): string =>
  `select value::bigint from json_array_elements_text(${parameter}::text::json) as given (value)`

/** A limit of JavaScript, perhaps infinite, as an integer of Postgres. */
export function limitOf(limit: number): number {
  return Math.max(0, Math.min(Math.floor(limit), 2_147_483_647))
}
