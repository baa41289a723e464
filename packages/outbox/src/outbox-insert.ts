import { MekongError, type PreparedEvent } from '@mekong/core'
import type { Statement, TableName } from '@mekong/postgres'

/**
 * `causal`: an event that was committed before another was written precedes it. `locked`: moreover, transactions that
 * write events of one key run one after the other from there on, so that two at once have an order too.
 */
export type OutboxOrder = 'causal' | 'locked'

/** One statement for any number of events, which get their positions in the order given. */
export function insertStatement(table: TableName, order: OutboxOrder, events: readonly PreparedEvent[]): Statement {
  const rows = events.map(event => ({
    id: event.id,
    topic: event.topic,
    key: event.key ?? null,
    type: event.type,
    headers: JSON.stringify(event.headers),
    body: Buffer.from(event.body).toString('base64'),
  }))
  const locks = order === 'locked' ? [JSON.stringify(lockNames(events))] : []
  return { text: insertText(table, order), parameters: [JSON.stringify(rows), ...locks] }
}

// The leaf is looked up once for all. The locks are a table with one row that is not there before all of them are had, and
// without it no row gets its position.
const insertText = (table: TableName, order: OutboxOrder): string => `
${order === 'locked' ? lockText : ''}insert into ${table('outbox')} (leaf, id, aggregatetype, aggregateid, type, payload, headers)
select (select leaf from ${table('outbox_rotation')} order by number desc limit 1),
  event.id::uuid, event.topic, event.key, event.type, decode(event.body, 'base64'), event.headers::json
from rows from (
  json_to_recordset($1::text::json) as (id text, topic text, key text, type text, headers text, body text)
) with ordinality as event (id, topic, key, type, headers, body, place)
${order === 'locked' ? 'cross join locked ' : ''}order by event.place`

const lockText = `with locked as materialized (
  select count(pg_advisory_xact_lock(hashtextextended(name, 0))) from (
    select name from json_array_elements_text($2::text::json) as key (name) order by hashtextextended(name, 0)
  ) as sorted
)
`

/** Names for the keys, without doubles; they are locked in one order by everybody, so that nobody waits in a circle. */
function lockNames(events: readonly PreparedEvent[]): readonly string[] {
  const names = new Set<string>()
  for (const { topic, key } of events) if (key !== undefined) names.add(`mekong.outbox ${topic} ${key}`)
  return Array.from(names)
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** @throws MekongError INVALID_EVENT: the column is a uuid, as Debezium's router has it */
export function requireUuid({ id, type }: PreparedEvent): void {
  if (!uuid.test(id))
    throw new MekongError('INVALID_EVENT', `the id of ${type} must be a UUID to pass through an outbox`)
}
