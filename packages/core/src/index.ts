export { createEventBus } from './create-event-bus.ts'
export { defineContract, type DefinedContract } from './define-contract.ts'
export { createEventFactory, type EventFactory, type EventFactoryOptions } from './event/event-factory.ts'
export { memoryHold } from './hold/memory-hold.ts'
export { memoryIdempotency } from './idempotency/memory-idempotency.ts'
export { memorySchedule } from './schedule/memory-schedule.ts'
export { errorCodes, isMekongError, MekongError, type ErrorCode, type MekongErrorOptions } from './error.ts'
export { systemClock, type Clock } from './clock.ts'
export type { Contract, EventData, EventDefinition, EventInput, EventType, UntypedContract } from './contract.ts'
export type { Adapter, Driver, StartPosition } from './driver/driver-contract.ts'
export type { EventAttributes, PreparedEvent } from './event/event.ts'
export type {
  CloseOptions,
  EventBus,
  EventToPublish,
  ForwardOptions,
  Health,
  RetryOptions,
  SubscriptionOptions,
} from './event-bus.ts'
export type { ConsumeTuning, EventBusOptions, ReplayOptions, Route, TopicOptions } from './event-bus-options.ts'
export type { Cause, Handler, HandlerContext, HandlerMap } from './handler.ts'
export type { HeldEvents, HeldQuery, HeldSelection } from './hold/held-events.ts'
export type { HeldEvent, HeldMessage, HeldReason, HeldState, HoldScope, HoldStore } from './hold/hold-store.ts'
export type { IdempotencyStore } from './idempotency/idempotency-store.ts'
export type { Middleware } from './middleware.ts'
export type { PublishArguments, PublishOptions, PublishResult, Receipt } from './publish-options.ts'
export type { PublishTuning } from './publish/publish-tuning.ts'
export type { LeasedEvent, ScheduledEvent, ScheduleStore } from './schedule/schedule-store.ts'
export type { Observer, Signal } from './signal.ts'
export type { InferInput, InferOutput, SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.ts'
