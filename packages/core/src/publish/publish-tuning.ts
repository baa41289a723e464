import { MekongError } from '../error.ts'

/** Times and bounds of publishing, for each broker of a bus. */
export interface PublishTuning {
  /** How long a publish may take with all its repetitions; one send to the broker gets a third of it. @default 30,000 */
  readonly timeoutMs: number
  /** How long an event waits for company. At 0 it travels with what is published in the same turn. @default 0 */
  readonly lingerMs: number
  /** Of one batch; the broker's own limit holds too. @default 500 */
  readonly maxBatchEvents: number
  /** Sent and not answered. @default 2,000 */
  readonly maxInFlightEvents: number
  /** Taken and not yet published: in flight, waiting for their turn, their key or a repetition. @default 10,000 */
  readonly maxBufferedEvents: number
  /** As `maxBufferedEvents`, in bytes; a quarter of it may be in flight. @default 67,108,864 */
  readonly maxBufferedBytes: number
  /** Upper bound of the pause before the first repetition; doubles each time, full jitter. @default 50 */
  readonly retryDelayMs: number
  /** @default 5,000 */
  readonly maxRetryDelayMs: number
}

interface Range {
  readonly default: number
  readonly min: number
  readonly max: number
}

const unbounded = Number.MAX_SAFE_INTEGER
const options: Readonly<Record<keyof PublishTuning, Range>> = {
  timeoutMs: { default: 30_000, min: 1, max: 86_400_000 },
  lingerMs: { default: 0, min: 0, max: 10_000 },
  maxBatchEvents: { default: 500, min: 1, max: unbounded },
  maxInFlightEvents: { default: 2000, min: 1, max: unbounded },
  maxBufferedEvents: { default: 10_000, min: 1, max: unbounded },
  maxBufferedBytes: { default: 67_108_864, min: 1, max: unbounded },
  retryDelayMs: { default: 50, min: 1, max: 3_600_000 },
  maxRetryDelayMs: { default: 5000, min: 1, max: 3_600_000 },
}

/** @throws MekongError INVALID_CONFIGURATION with the option's path and what is allowed */
export function resolvePublishTuning(given: Partial<PublishTuning> = {}, path = 'publish'): PublishTuning {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(options, name)) {
      throw invalid(`${path}.${name} is not an option; the options are ${Object.keys(options).join(', ')}`)
    }
  }
  const resolve = (name: keyof PublishTuning): number => {
    const { default: fallback, min, max } = options[name]
    const value = given[name] ?? fallback
    if (Number.isInteger(value) && value >= min && value <= max) return value
    throw invalid(`${path}.${name} must be an integer from ${min} to ${max}; found ${String(value)}`)
  }
  const tuning = {
    timeoutMs: resolve('timeoutMs'),
    lingerMs: resolve('lingerMs'),
    maxBatchEvents: resolve('maxBatchEvents'),
    maxInFlightEvents: resolve('maxInFlightEvents'),
    maxBufferedEvents: resolve('maxBufferedEvents'),
    maxBufferedBytes: resolve('maxBufferedBytes'),
    retryDelayMs: resolve('retryDelayMs'),
    maxRetryDelayMs: resolve('maxRetryDelayMs'),
  }
  if (tuning.maxRetryDelayMs >= tuning.retryDelayMs) return tuning
  throw invalid(
    `${path}.maxRetryDelayMs must be at least retryDelayMs, ${tuning.retryDelayMs}; found ${tuning.maxRetryDelayMs}`,
  )
}

function invalid(message: string): MekongError {
  return new MekongError('INVALID_CONFIGURATION', message)
}
