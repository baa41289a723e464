export { all, any, compensated, type AllOf, type AnyOf, type Compensated } from './declare/events.ts'
export { defineSaga } from './declare/define-saga.ts'
export type {
  EndsDeclaration,
  LimitDeclaration,
  Saga,
  SagaDeclaration,
  StepDeclaration,
  StepsDeclaration,
  TimeoutDeclaration,
} from './declare/declaration.ts'
export { assertSaga, checkSaga } from './check/check-saga.ts'
export type { Finding, FindingKind } from './check/finding.ts'
export { exploreSaga, type Exploration, type ExploreBounds } from './explore/explore-saga.ts'
export type { Move } from './explore/world.ts'
export { sagaMermaid } from './saga-mermaid.ts'
export type { Action } from './declare/step-state.ts'
export {
  createSagaParticipant,
  type SagaParticipant,
  type SagaParticipantOptions,
  type TimeoutOptions,
} from './run/participant.ts'
export type { SagaOutbox } from './run/saga-outbox.ts'
export type { SagaSignal } from './run/saga-signal.ts'
export type {
  EmitArguments,
  RunHandler,
  ServiceOf,
  StepEvent,
  StepHandler,
  StepHandlers,
  StepRun,
  StepsOf,
} from './run/step-handlers.ts'
export { pruneSagas, type PruneOptions } from './store/prune-sagas.ts'
export { sagaMigrations } from './store/saga-migrations.ts'
export { stuckSagas, type SagaSource, type StuckOptions, type StuckSaga } from './store/stuck-sagas.ts'
export {
  mergeTimelines,
  sagaTimeline,
  type ServiceEntry,
  type TimelineEntry,
  type TimelineQuery,
} from './store/timeline.ts'
