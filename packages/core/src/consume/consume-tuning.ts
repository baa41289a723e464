import { MekongError } from '../error.ts'
import type { ConsumeTuning } from '../event-bus-options.ts'

const defaults: ConsumeTuning = {
  window: 1000,
  leaseMs: 30_000,
  abortGraceMs: 2000,
  spillAfterMs: 5000,
  holdPollMs: 1000,
  maxParkedKeys: 10_000,
  maxParkedPerKey: 10_000,
  stalledAfterMs: 60_000,
}

export function resolveConsumeTuning(given: Partial<ConsumeTuning> = {}): ConsumeTuning {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(defaults, name)) {
      throw new MekongError(
        'INVALID_CONFIGURATION',
        `consume.${name} is not an option; the options are ${Object.keys(defaults).join(', ')}`,
      )
    }
  }
  const tuning = { ...defaults, ...given }
  for (const [name, value] of Object.entries(tuning)) requirePositiveInteger(`consume.${name}`, value)
  return tuning
}

/** @throws MekongError INVALID_CONFIGURATION naming the option's path. */
export function requirePositiveInteger(path: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) > 0) return
  throw new MekongError('INVALID_CONFIGURATION', `${path} must be a positive integer, not ${JSON.stringify(value)}`)
}
