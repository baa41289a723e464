import type { HeldEvent, HoldLimits, HoldStore } from '@mekong/core/driver'
import type { Transaction } from '../sql.ts'
import type { LockedLane } from './hold-lanes.ts'
import { eventDigest, insertEvents, laneDigest, laneOf, newEventsParameter } from './hold-records.ts'
import type { HoldTables } from './hold-tables.ts'

/** Into the store: a failed event, what comes behind it, a lane that has grown too long. */
export function holdWriting(tables: HoldTables): Pick<HoldStore, 'hold' | 'appendIfParked' | 'spill'> {
  const { lanes } = tables

  /** Where a new event goes. Undefined: a limit is reached. */
  async function placeFor(
    tx: Transaction,
    event: HeldEvent,
    { parked, limits }: { readonly parked: LockedLane | undefined; readonly limits: HoldLimits },
  ): Promise<string | undefined> {
    if (limits.maxParkedPerKey < 1) return undefined
    const lane = parked ?? (await lanes.create(tx, laneOf(event), limits.maxParkedKeys))?.lane
    if (lane === undefined) return undefined
    const waiting = (await lanes.countEvents(tx, [lane.id])).get(lane.id) ?? 0
    return waiting < limits.maxParkedPerKey ? lane.id : undefined
  }

  /** What is there of these events, by `eventName`. */
  async function recordsOf(tx: Transaction, events: readonly HeldEvent[]): Promise<ReadonlyMap<string, EventRecord>> {
    const rows = await tx.query<EventRecord>(
      `select "group", subscription, event::text as event, lane_id::text as lane_id, fence::float8 as fence
        from ${tables.event} where ("group", subscription, event) in (
          select "group", subscription, event
          from json_to_recordset($1::text::json) as wanted ("group" text, subscription text, event uuid)
        )`,
      [JSON.stringify(events.map(({ scope, event }) => ({ ...scope, event: eventDigest(event) })))],
    )
    return new Map(rows.map(row => [nameOf(row, row.event), row]))
  }

  return {
    hold: (event, limits) =>
      tables.step(lanes.lock([laneOf(event)]), async (tx, [locked]) => {
        const [parked] = locked as readonly LockedLane[]
        let record = (await recordsOf(tx, [event])).get(eventName(event))
        if (record !== undefined && record.lane_id !== parked?.id) {
          // Written after we looked for its lane. Lanes are locked before events, or two who hold it would wait in a circle.
          await lanes.lockById(tx, record.lane_id)
          record = (await recordsOf(tx, [event])).get(eventName(event))
        }
        if (record !== undefined && record.fence > event.fence) return 'fenced'
        const laneId = record?.lane_id ?? (await placeFor(tx, event, { parked, limits }))
        if (laneId === undefined) return 'full'
        const written = await tx.query(
          `${insertEvents(tables.event, '$1')}
            on conflict ("group", subscription, event) do update set state = excluded.state, due_at = excluded.due_at,
              message = excluded.message, body = excluded.body, attempts = excluded.attempts, reason = excluded.reason,
              held_at = excluded.held_at, fence = excluded.fence
            where held.fence <= excluded.fence
            returning 1 as written`,
          [newEventsParameter([{ event, laneId, rank: 0 }])],
        )
        if (written.length === 0) return 'fenced'
        await lanes.refreshAtHead(tx, event.scope, event.event)
        return 'held'
      }),

    async appendIfParked(events, limits) {
      const ordered = events.filter(event => event.key !== undefined)
      if (ordered.length === 0) return events.map(() => 'not-parked')
      return tables.step(lanes.lock(ordered.map(laneOf)), async (tx, [locked]) => {
        const parked = new Map((locked as readonly LockedLane[]).map(lane => [nameOf(lane, lane.lane), lane]))
        if (parked.size === 0) return events.map(() => 'not-parked')
        const waiting = new Map(
          await lanes.countEvents(
            tx,
            [...parked.values()].map(lane => lane.id),
          ),
        )
        const empty = [...parked.values()].map(lane => lane.id).filter(id => !waiting.has(id))
        const there = new Set((await recordsOf(tx, ordered)).keys())
        const added: { event: HeldEvent; laneId: string; rank: 1 }[] = []
        const answers = events.map(event => {
          const lane = event.key === undefined ? undefined : parked.get(laneName(event))
          if (lane === undefined) return 'not-parked'
          if (there.has(eventName(event))) return 'appended'
          const count = waiting.get(lane.id) ?? 0
          if (count >= limits.maxParkedPerKey) return 'full'
          waiting.set(lane.id, count + 1)
          there.add(eventName(event))
          added.push({ event: parkedEvent(event), laneId: lane.id, rank: 1 })
          return 'appended'
        })
        if (added.length > 0) {
          await tx.query(`${insertEvents(tables.event, '$1')} on conflict do nothing`, [newEventsParameter(added)])
        }
        if (empty.length > 0) await lanes.refresh(tx, empty)
        return answers
      })
    },

    async spill(events, { owner, leaseMs, limits }) {
      const [first] = events
      if (first === undefined || events.length > limits.maxParkedPerKey) return undefined
      const name = laneOf(first)
      return tables.step(lanes.lock([name]), async (tx, [locked]) => {
        const [parked] = locked as readonly LockedLane[]
        if (parked !== undefined) {
          // Asked again after an answer that was lost: then all of it is here, under the lease that was given.
          const isOurs = parked.owner === owner && (await recordsOf(tx, events)).size === events.length
          return isOurs ? { ...name, owner, fence: parked.fence, takeovers: 0 } : undefined
        }
        const created = await lanes.create(tx, name, limits.maxParkedKeys)
        if (created?.isNew !== true) return undefined
        const { id } = created.lane
        await tx.query(`${insertEvents(tables.event, '$1')} on conflict do nothing`, [
          newEventsParameter(events.map(event => ({ event: parkedEvent(event), laneId: id, rank: 1 }))),
        ])
        const [leased] = await tx.query<{ fence: number }>(
          `update ${tables.lane} set due_at = now(), owner = $2::text, fence = nextval('${tables.fence}'),
              leased_until = clock_timestamp() + $3::float8 * interval '1 ms'
            where id = $1::text::bigint returning fence::float8 as fence`,
          [id, owner, leaseMs],
        )
        return leased && { ...name, owner, fence: leased.fence, takeovers: 0 }
      })
    },
  }
}

function parkedEvent(event: HeldEvent): HeldEvent {
  return { ...event, state: 'parked', dueAt: undefined }
}

interface EventRecord {
  readonly group: string
  readonly subscription: string
  readonly event: string
  readonly lane_id: string
  readonly fence: number
}

function nameOf({ group, subscription }: { group: string; subscription: string }, digested: string): string {
  return JSON.stringify([group, subscription, digested])
}

const eventName = (event: HeldEvent): string => nameOf(event.scope, eventDigest(event.event))
const laneName = (event: HeldEvent): string => nameOf(event.scope, laneDigest(laneOf(event)))
