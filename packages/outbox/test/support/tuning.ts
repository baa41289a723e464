import type { RelayTuning } from '../../src/index.ts'

/** Takeovers within a second and a half. */
export const quick: Partial<RelayTuning> = {
  leaseMs: 1_500,
  leaseMarginMs: 300,
  heartbeatMs: 300,
  blockedPollMs: 50,
  ringPollMs: 100,
  maxPollMs: 100,
}
