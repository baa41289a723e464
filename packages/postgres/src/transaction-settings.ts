import { MekongError } from '@mekong/core'
import type { TransactionOptions } from './sql.ts'

/** The settings of Postgres that the options ask for, in whole milliseconds. */
export function transactionSettings(options: TransactionOptions): readonly (readonly [name: string, ms: number])[] {
  const wanted = [
    ['lock_timeout', options.lockTimeoutMs],
    ['statement_timeout', options.statementTimeoutMs],
    ['idle_in_transaction_session_timeout', options.idleTimeoutMs],
  ] as const
  return wanted.flatMap(([name, ms]) => (ms === undefined ? [] : [[name, wholeMs(name, ms)] as const]))
}

// Zero would switch the timeout off.
function wholeMs(name: string, ms: number): number {
  if (ms > 0 && ms <= 2_147_483_647) return Math.ceil(ms)
  throw new MekongError('INVALID_CONFIGURATION', `${name} is 1 to 2147483647 ms; got ${ms}`)
}
