import type { StepReport } from './step-runner.ts'

/** What happens in a service's part of a saga, for metrics, logs and tests. */
export type SagaSignal =
  /** An arrival was dealt with, and its transaction has committed. */
  | ({ readonly is: 'step' } & StepReport)
  /** The timeout stays armed and is tried again, later each time, at most ten minutes apart. */
  | { readonly is: 'timeout-failed'; readonly step: string; readonly instance: string; readonly error: unknown }
  /** The database could not be asked which timeouts are due; it is asked again. */
  | { readonly is: 'timeouts-unavailable'; readonly error: unknown }
