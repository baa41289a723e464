export {
  createOutbox,
  type Outbox,
  type OutboxArguments,
  type OutboxEvent,
  type OutboxOptions,
  type OutboxPublishOptions,
} from './outbox.ts'
export type { OutboxOrder } from './outbox-insert.ts'
export { outboxMigrations, type OutboxMigrationsOptions } from './outbox-migrations.ts'
export { createRelay, type Relay, type RelayCloseOptions, type RelayHealth, type RelayStats } from './relay.ts'
export type { RelayOptions, RelayTuning, WakeSource } from './relay-options.ts'
export type { RelayObserver, RelaySignal } from './relay-signal.ts'
export type { DeadEvent, DeadEvents } from './dead-events.ts'
export type { Backlog } from './backlog.ts'
