/**
 * Delays as steps of a ladder: level n waits `stepMs * 2 ** n`, so the binary digits of a delay say at which levels a
 * message stops. Each level is a queue whose messages all wait equally long: none stands in another's way, as they do where
 * each message has a time of its own.
 */
export const delayLevels = 28
const stepMs = 16

/** 49.7 days. */
export const maxDelayMs: number = stepMs * (2 ** delayLevels - 1)

/** Digits that count: a delay is at most a thousandth longer than asked for, and stops at ten levels at most. */
const significantDigits = 10

export function waitMsOf(level: number): number {
  return stepMs * 2 ** level
}

/** Where a message that is to wait this long stops; never too short. Empty for no delay at all. */
export function levelsOf(delayMs: number): readonly number[] {
  const steps = roundedUp(Math.min(Math.ceil(delayMs / stepMs), 2 ** delayLevels - 1))
  const levels: number[] = []
  for (let level = 0; level < delayLevels; level++) if ((steps >>> level) & 1) levels.push(level)
  return levels
}

function roundedUp(steps: number): number {
  const surplusDigits = 32 - Math.clz32(steps) - significantDigits
  if (surplusDigits <= 0) return steps
  const unit = 2 ** surplusDigits
  // Beyond the top of the ladder the digits below it do as well.
  return Math.min(Math.ceil(steps / unit) * unit, 2 ** delayLevels - 1)
}
