import type { Driver, FailureClass, Fate } from '../driver/driver-contract.ts'
import { MekongError, messageOf, type ErrorCode } from '../error.ts'
import type { PreparedEvent } from '../event/event.ts'
import type { PendingEvent } from './pending-event.ts'

/** A fate other than stored. */
export type Failure = Exclude<Fate, { readonly is: 'stored' }>

/** What a send that did not store an event means for it: once more, or the end with this code. */
export type Verdict = 'again' | 'EVENT_TOO_LARGE' | 'PUBLISH_REFUSED' | 'given-up'

const verdicts: Readonly<Record<FailureClass, Verdict>> = {
  transient: 'again',
  throttled: 'again',
  'too-large': 'EVENT_TOO_LARGE',
  illegal: 'PUBLISH_REFUSED',
  refused: 'PUBLISH_REFUSED',
  closed: 'given-up',
}

/** What the driver makes of an error; a driver that cannot say leaves it to another try. */
export function classify(driver: Driver, error: unknown): FailureClass {
  try {
    const failure = driver.classify(error)
    return Object.hasOwn(verdicts, failure) ? failure : 'transient'
  } catch {
    return 'transient'
  }
}

/**
 * A final failure counts only against an event that was sent alone and never had an uncertain answer: in company it may be
 * another's fault, and after an uncertain answer the event may be stored in spite of it.
 */
export function verdictOn(pending: PendingEvent, fate: Failure, failure: FailureClass, isAlone: boolean): Verdict {
  const verdict = verdicts[failure]
  if (verdict === 'given-up') return verdict
  const isCertain = fate.is === 'not-stored' && isAlone && !pending.isDoubtful
  return isCertain ? verdict : 'again'
}

/** The broker said a final no. */
export function refusal(pending: PendingEvent, code: 'EVENT_TOO_LARGE' | 'PUBLISH_REFUSED'): MekongError {
  const cause = pending.lastFailure?.error
  return new MekongError(code, `${nameOf(pending.event)} was refused by the broker: ${messageOf(cause)}`, { cause })
}

/** Nobody tries any longer: PUBLISH_UNKNOWN where the event may be stored, else PUBLISH_NOT_SENT. */
export function givenUp(pending: PendingEvent, why: string): MekongError {
  const cause = pending.lastFailure?.error
  const options = { cause, retryable: true }
  const name = nameOf(pending.event)
  const reason = cause === undefined ? why : `${why} (the last answer: ${messageOf(cause)})`
  if (pending.isDoubtful || pending.isInFlight) {
    return new MekongError(
      'PUBLISH_UNKNOWN',
      `${name} may or may not be stored: ${reason}; publish it again with the same id`,
      options,
    )
  }
  return new MekongError('PUBLISH_NOT_SENT', `${name} was not stored: ${reason}`, options)
}

export function rejected(event: PreparedEvent, code: ErrorCode, why: string): MekongError {
  return new MekongError(code, `${nameOf(event)} ${why}`, {
    retryable: code === 'BUFFER_FULL' || code === 'PUBLISH_NOT_SENT',
  })
}

function nameOf({ type, id, topic }: PreparedEvent): string {
  return `${type} ${id} on topic ${topic}`
}
