import type { Migration } from '../migration.ts'

// Names and messages are json, not text: it keeps every string that JavaScript has, a NUL included, and an event that
// cannot be handled must be held whatever is in it. Their digests are what is looked for.
export const holdMigrations: readonly Migration[] = [
  {
    name: 'postgres-002-hold',
    statements: table => [
      `create sequence if not exists ${table('hold_fence')}`,
      `create table if not exists ${table('hold_lane')} (
  id bigint generated always as identity primary key,
  "group" text not null,
  subscription text not null,
  lane uuid not null,
  name json not null,
  ordered boolean not null,
  due_at timestamptz,
  owner text,
  fence bigint not null default 0,
  leased_until timestamptz,
  unique ("group", subscription, lane)
)`,
      `create index if not exists hold_lane_due on ${table('hold_lane')} ("group", subscription, due_at)
  where due_at is not null`,
      `create table if not exists ${table('held_event')} (
  id bigint generated always as identity primary key,
  lane_id bigint not null references ${table('hold_lane')} (id),
  "group" text not null,
  subscription text not null,
  event uuid not null,
  -- 0: of the lane that ran when the key was parked; 1: what came behind it.
  rank smallint not null,
  name json not null,
  state text not null check (state in ('dead', 'delayed', 'parked')),
  due_at timestamptz,
  message json not null,
  body bytea not null,
  attempts integer not null,
  reason json not null,
  held_at timestamptz not null,
  fence bigint not null,
  unique ("group", subscription, event)
)`,
      `create index if not exists held_event_place on ${table('held_event')} (lane_id, rank, id)`,
    ],
  },
  {
    name: 'postgres-005-unclean-ends',
    statements: table => [
      `alter table ${table('hold_lane')} add column if not exists takeovers integer not null default 0`,
      `create table if not exists ${table('partition_mark')} (
  "group" text not null,
  topic text not null,
  "partition" text not null,
  owner text not null,
  token text not null,
  -- Null: its owner has it from one that ended cleanly.
  starts json,
  opened_at timestamptz not null default now(),
  primary key ("group", topic, "partition")
)`,
    ],
  },
]
