import { isMekongError, MekongError } from '@mekong/core'
import { sqlFailure } from './sql-failure.ts'

/** What a failed COMMIT means: refused, so nothing happened; or nobody knows. */
export function commitFailure(error: unknown): Error {
  const failure = sqlFailure(error)
  if (!isMekongError(failure) || failure.code !== 'STORE_UNAVAILABLE') return failure
  const message = 'The connection to Postgres was lost during COMMIT: whether the transaction took effect is unknown'
  return new MekongError('STORE_UNAVAILABLE', message, { retryable: true, cause: failure })
}
