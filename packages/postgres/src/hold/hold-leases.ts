import type { HeldEvent, HoldLease, HoldStore } from '@mekong/core/driver'
import type { Transaction } from '../sql.ts'
import type { LockedLane } from './hold-lanes.ts'
import { eventColumns, eventDigest, type EventRow, heldEvent, laneDigest, laneOf } from './hold-records.ts'
import { milliseconds, timestamp } from '../sql-time.ts'
import type { HoldTables } from './hold-tables.ts'

type LeaseMethods = 'leaseDue' | 'extend' | 'head' | 'finish' | 'setAside' | 'keep' | 'release' | 'nextDueAt'

interface LeasedRow {
  readonly name: string
  readonly ordered: boolean
  readonly fence: number
  readonly takeovers: number
  readonly is_empty: boolean
}

/** Out of the store: lanes that are due, run under a lease. A lease counts as held until somebody else has taken it over. */
export function holdLeases(tables: HoldTables): Pick<HoldStore, LeaseMethods> {
  const { sql, lane, event, lanes } = tables
  const leased = '"group" = $1 and subscription = $2 and lane = $3::uuid and owner = $4 and fence = $5'
  const leaseParameters = ({ scope, owner, fence, ...name }: HoldLease): readonly (string | number)[] => [
    scope.group,
    scope.subscription,
    laneDigest(name),
    owner,
    fence,
  ]
  const isLeased = (locked: LockedLane, { owner, fence }: HoldLease): boolean =>
    locked.owner === owner && locked.fence === fence

  /** The event as it is now, in its lane. False: it is not there, or with a higher fence. */
  async function rewrite(tx: Transaction, { id }: LockedLane, now: HeldEvent): Promise<boolean> {
    const { state, dueAt = null, attempts, reason, heldAt, fence } = now
    const rewritten = await tx.query(
      `update ${event} set state = $3, due_at = ${timestamp('$4::float8')}, attempts = $5::int, reason = $6::text::json,
          held_at = ${timestamp('$7::float8')}, fence = $8::bigint
        where lane_id = $1::text::bigint and event = $2::uuid and fence <= $8::bigint returning 1`,
      [id, eventDigest(now.event), state, dueAt, attempts, JSON.stringify(reason), heldAt, fence],
    )
    return rewritten.length > 0
  }

  /** What is left of a lane after its head. */
  async function leave(tx: Transaction, { id }: LockedLane, isHeadNew: boolean): Promise<'more' | 'unparked'> {
    const isMore = (await lanes.countEvents(tx, [id])).has(id)
    if (!isMore) await tx.query(`delete from ${lane} where id = $1::text::bigint`, [id])
    else if (isHeadNew) await lanes.refresh(tx, [id])
    return isMore ? 'more' : 'unparked'
  }

  const release = (lease: HoldLease): Promise<void> =>
    tables.step(lanes.lock([lease]), async (tx, [locked]) => {
      const [current] = locked as readonly LockedLane[]
      if (current === undefined || !isLeased(current, lease)) return
      await tx.query(`update ${lane} set owner = null, leased_until = null where id = $1::text::bigint`, [current.id])
      await lanes.removeEmpty(tx, [current.id])
    })

  return {
    async leaseDue(scope, { owner, leaseMs, limit }) {
      const rows = await sql.query<LeasedRow>(
        `with due as (
          select id, due_at from ${lane}
          where "group" = $1 and subscription = $2 and due_at <= now() and (leased_until is null or leased_until <= now())
          order by due_at, id limit $3::int for update skip locked
        ), leased as (
          update ${lane} as l set owner = $4::text, fence = nextval('${tables.fence}'),
            leased_until = now() + $5::float8 * interval '1 ms',
            takeovers = case when l.owner is null then 0 when l.owner = $4::text then l.takeovers else l.takeovers + 1 end
          from due where l.id = due.id
          returning l.id, due.due_at, l.name, l.ordered, l.fence, l.takeovers
        ) select name, ordered, fence::float8 as fence, takeovers, not exists (select from ${event} where lane_id = leased.id) as is_empty
          from leased order by due_at, id`,
        [scope.group, scope.subscription, limit, owner, leaseMs],
      )
      const leases = rows.map(({ name, is_empty: _, ...row }) => ({ ...row, scope, lane: name, owner }))
      // Somebody ran them, was gone, and what they held was discarded: they are removed, unless they have an event by now.
      for (const [index, lease] of leases.entries()) if (rows[index]?.is_empty === true) await release(lease)
      return leases.filter((_, index) => rows[index]?.is_empty === false)
    },

    async extend(leases, leaseMs) {
      if (leases.length === 0) return []
      const rows = await sql.query<{ fence: number }>(
        `update ${lane} as l set leased_until = now() + $2::float8 * interval '1 ms'
          from json_to_recordset($1::text::json) as held (owner text, fence bigint)
          where l.fence = held.fence and l.owner = held.owner
            and (l."group", l.subscription) in (select "group", subscription
              from json_to_recordset($1::text::json) as held ("group" text, subscription text))
          returning l.fence::float8 as fence`,
        [JSON.stringify(leases.map(({ scope, owner, fence }) => ({ ...scope, owner, fence }))), leaseMs],
      )
      // Fences come from one sequence: no two leases share one.
      const extended = new Set(rows.map(row => row.fence))
      return leases.map(lease => extended.has(lease.fence))
    },

    async head(lease) {
      const [row] = await sql.query<EventRow>(
        `select ${eventColumns} from (
            select * from ${lane} where ${leased} and due_at <= clock_timestamp()
          ) as l join lateral (
            select * from ${event} where lane_id = l.id order by rank, id limit 1
          ) as e on true`,
        leaseParameters(lease),
      )
      return row && heldEvent(row)
    },

    finish: (lease, name) =>
      tables.step(lanes.lock([lease]), async (tx, [locked]) => {
        const [current] = locked as readonly LockedLane[]
        // Finished before, and the answer was lost; or discarded.
        if (current === undefined) return 'unparked'
        if (!isLeased(current, lease)) return 'lost'
        const deleted = await tx.query(
          `delete from ${event} where lane_id = $1::text::bigint and event = $2::uuid returning 1`,
          [current.id, eventDigest(name)],
        )
        return leave(tx, current, deleted.length > 0)
      }),

    setAside: (lease, dead) =>
      tables.step(lanes.lock([lease]), async (tx, [locked]) => {
        const [current] = locked as readonly LockedLane[]
        if (current === undefined) return 'unparked'
        if (!isLeased(current, lease)) return 'lost'
        const isRewritten = await rewrite(tx, current, dead)
        if (isRewritten) {
          const own = await lanes.createOwn(tx, laneOf({ ...dead, key: undefined }))
          await tx.query(
            `update ${event} set lane_id = $3::text::bigint, rank = 0
              where lane_id = $1::text::bigint and event = $2::uuid`,
            [current.id, eventDigest(dead.event), own],
          )
          await lanes.refresh(tx, [own])
        } else {
          const fenced = await tx.query(
            `select 1 from ${event} where lane_id = $1::text::bigint and event = $2::uuid`,
            [current.id, eventDigest(dead.event)],
          )
          // Else it is not in this lane: discarded, or set aside before and the answer was lost.
          if (fenced.length > 0) return 'lost'
        }
        return leave(tx, current, isRewritten)
      }),

    keep: (lease, kept) =>
      tables.step(lanes.lock([lease]), async (tx, [locked]) => {
        const [current] = locked as readonly LockedLane[]
        // Without an owner, this lease was the last one: kept before, and the answer was lost.
        if (current?.fence !== lease.fence || (current.owner ?? lease.owner) !== lease.owner) return false
        await rewrite(tx, current, kept)
        await tx.query(`update ${lane} set owner = null, leased_until = null where id = $1::text::bigint`, [current.id])
        await lanes.removeEmpty(tx, [current.id])
        await lanes.refresh(tx, [current.id])
        return true
      }),

    release,

    async nextDueAt(scope) {
      const [row] = await sql.query<{ due_ms: number | null }>(
        `select ${milliseconds('min(greatest(due_at, leased_until))')} as due_ms from ${lane}
          where "group" = $1 and subscription = $2 and due_at is not null`,
        [scope.group, scope.subscription],
      )
      return row?.due_ms ?? undefined
    },
  }
}
