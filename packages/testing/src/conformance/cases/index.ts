import type { CaseGroup } from '../conformance-case.ts'
import { consuming } from './consuming.ts'
import { driverContract } from './driver-contract.ts'
import { holding } from './holding.ts'
import { idempotency } from './idempotency.ts'
import { lifecycle } from './lifecycle.ts'
import { order } from './order.ts'
import { publishing } from './publishing.ts'
import { replay } from './replay.ts'
import { retries } from './retries.ts'
import { stress } from './stress.ts'

/** The whole kit. */
export const driverCases: readonly CaseGroup[] = [
  driverContract,
  publishing,
  consuming,
  order,
  retries,
  holding,
  idempotency,
  lifecycle,
  replay,
  stress,
]
