import type { Migration } from '@mekong/postgres'

/**
 * The tables of a service's sagas, for `migrate` and `printMigrations` with the service's schema. One row for each
 * instance (locked while a step runs), one for each thing that happened in it, one for each timeout that is armed.
 */
export const sagaMigrations: readonly Migration[] = [
  {
    name: 'saga-001-instances',
    statements: table => [
      `create table if not exists ${table('saga_instance')} (
  saga text not null,
  instance text not null,
  steps json not null default '{}',
  ended boolean not null default false,
  begun_at timestamptz not null default clock_timestamp(),
  last_at timestamptz not null default clock_timestamp(),
  primary key (saga, instance)
)`,
      `create index if not exists saga_instance_last_at on ${table('saga_instance')} (last_at)`,
      `create index if not exists saga_instance_open on ${table('saga_instance')} (last_at) where not ended`,
      `create table if not exists ${table('saga_journal')} (
  id bigint generated always as identity primary key,
  saga text not null,
  instance text not null,
  step text not null,
  action text not null,
  outcome text,
  event_type text,
  event_id text,
  emitted json not null,
  attempt integer not null,
  duplicates integer not null default 0,
  at timestamptz not null default clock_timestamp()
)`,
      `create index if not exists saga_journal_instance on ${table('saga_journal')} (instance, saga, id)`,
      `create table if not exists ${table('saga_timer')} (
  saga text not null,
  instance text not null,
  step text not null,
  due_at timestamptz not null,
  correlation_id text not null,
  causation_id text not null,
  attempts integer not null default 0,
  primary key (saga, instance, step)
)`,
      `create index if not exists saga_timer_due_at on ${table('saga_timer')} (due_at)`,
    ],
  },
]
