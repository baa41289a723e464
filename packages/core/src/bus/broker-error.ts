import type { Driver } from '../driver/driver-contract.ts'
import { isMekongError, MekongError, messageOf } from '../error.ts'
import { classify } from '../publish/publish-failure.ts'

/** What an application is told where a broker was asked for something once, and a driver failed with an error of its own. */
export function brokerError(driver: Driver, error: unknown): MekongError {
  if (isMekongError(error)) return error
  const failure = classify(driver, error)
  const retryable = failure === 'transient' || failure === 'throttled'
  const what = retryable ? 'cannot be reached or did not answer' : 'refused'
  return new MekongError('BROKER_UNAVAILABLE', `${driver.name} ${what}: ${messageOf(error)}`, {
    cause: error,
    retryable,
  })
}
