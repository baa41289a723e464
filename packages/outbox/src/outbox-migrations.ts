import { MekongError } from '@mekong/core'
import type { Migration } from '@mekong/postgres'

export interface OutboxMigrationsOptions {
  /** How many leaves the ring has. One is written, one or two wait to be emptied, the rest is room. @default 4 */
  readonly leaves?: number | undefined
  /** How many shares keys are dealt into: at most so many relays work at once. A power of two. @default 16 */
  readonly buckets?: number | undefined
}

/**
 * The outbox's tables; they stand beside those of `postgresMigrations`, which they need. Both numbers are fixed by the first
 * run: they are part of the tables.
 * @throws MekongError INVALID_CONFIGURATION
 */
export function outboxMigrations(options: OutboxMigrationsOptions = {}): readonly Migration[] {
  const { leaves = 4, buckets = 16 } = options
  if (!Number.isInteger(leaves) || leaves < 3 || leaves > 64) {
    throw new MekongError('INVALID_CONFIGURATION', `outboxMigrations: leaves is 3 to 64; got ${leaves}`)
  }
  if (!Number.isInteger(Math.log2(buckets)) || buckets > 1024) {
    throw new MekongError(
      'INVALID_CONFIGURATION',
      `outboxMigrations: buckets is a power of two up to 1024; got ${buckets}`,
    )
  }
  const leafNumbers = Array.from({ length: leaves }, (_, leaf) => leaf)
  return [
    {
      name: 'outbox-001-ring',
      statements: table => [
        // CACHE 1: a connection that kept ids in store would draw them before others that commit first.
        `create sequence if not exists ${table('outbox_position')} as bigint cache 1`,

        // Insert-only, read backwards from the newest: an updated row would leave a chain of dead versions that every
        // insert walks while a long transaction keeps them from being removed.
        `create table if not exists ${table('outbox_rotation')} (
  number bigint primary key,
  leaf smallint not null,
  rotated_at timestamptz not null default clock_timestamp()
)`,
        `insert into ${table('outbox_rotation')} (number, leaf) values (1, 0) on conflict do nothing`,

        `create table if not exists ${table('outbox_ring')} (
  one boolean primary key default true check (one),
  leaves integer not null,
  buckets integer not null,
  system_identifier text not null
)`,
        `insert into ${table('outbox_ring')} (leaves, buckets, system_identifier)
select ${leaves}, ${buckets}, system_identifier::text from pg_control_system() on conflict do nothing`,

        `create or replace function ${table('outbox_leaf')}() returns smallint language sql stable
as $$ select leaf from ${table('outbox_rotation')} order by number desc limit 1 $$`,

        // id, aggregatetype, aggregateid, type and payload are what Debezium's outbox event router reads: id of the event,
        // topic, key, event type and body. Everything but these and headers is filled in by the table itself, so that a
        // plain INSERT in any language is a publish.
        `create table if not exists ${table('outbox')} (
  leaf smallint not null default ${table('outbox_leaf')}(),
  position bigint not null default nextval('${table('outbox_position').replaceAll("'", "''")}'),
  xid xid8 not null default pg_current_xact_id(),
  bucket smallint not null generated always as
    ((hashtextextended(aggregatetype || ' ' || coalesce(aggregateid, id::text), 0) & ${buckets - 1})::smallint) stored,
  id uuid not null,
  aggregatetype text not null,
  aggregateid text,
  type text not null,
  payload bytea not null,
  headers json not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  primary key (position, leaf)
) partition by list (leaf)`,
        `create index if not exists outbox_xid on ${table('outbox')} (xid, bucket)`,

        // A mark says: delivered, or moved to outbox_blocked. It lies in the leaf of its row and is truncated with it.
        `create table if not exists ${table('outbox_delivered')} (
  leaf smallint not null,
  position bigint not null,
  fence bigint not null,
  primary key (position, leaf)
) partition by list (leaf)`,

        ...leafNumbers.flatMap(leaf =>
          ['outbox', 'outbox_delivered'].map(
            parent =>
              `create table if not exists ${table(`${parent}_${leaf}`)} partition of ${table(parent)} for values in (${leaf})`,
          ),
        ),

        // The rows of each blocked key, in order. The first of a key is dead, due or discarded, all others are waiting.
        `create table if not exists ${table('outbox_blocked')} (
  position bigint primary key,
  bucket smallint not null,
  id uuid not null,
  aggregatetype text not null,
  aggregateid text,
  type text not null,
  payload bytea not null,
  headers json not null,
  created_at timestamptz not null,
  state text not null check (state in ('dead', 'due', 'discarded', 'waiting')),
  reason text,
  blocked_at timestamptz not null default clock_timestamp()
)`,
        `create index if not exists outbox_blocked_key on ${table('outbox_blocked')} (aggregatetype, aggregateid, position)`,
        `create index if not exists outbox_blocked_first on ${table('outbox_blocked')} (bucket, position) where state <> 'waiting'`,
        `create index if not exists outbox_blocked_id on ${table('outbox_blocked')} (id)`,
      ],
    },
  ]
}
