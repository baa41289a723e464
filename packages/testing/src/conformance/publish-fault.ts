import type { FailureClass, Outgoing } from '@mekong/core/driver'

/**
 * What the kit does to a message on its way to the broker, the same for every driver:
 * `not-stored` it is not sent, and the answer says so; `refused`, `too-large`: likewise, for good;
 * `unknown-stored` it is sent, the answer is lost; `unknown-lost` neither arrives; `unknown-late` the answer is lost, and
 * the message lands after it was sent again.
 */
export type PublishFault = 'not-stored' | 'refused' | 'too-large' | 'unknown-stored' | 'unknown-lost' | 'unknown-late'

/** Decides for each message of each batch; `sends` counts how often this event was sent before. */
export type PublishFaults = (message: Outgoing, sends: number) => PublishFault | undefined

/** Thrown by no one: the error inside an injected fate. */
export class InjectedFailure extends Error {
  override readonly name = 'InjectedFailure'
  readonly failure: FailureClass

  constructor(fault: PublishFault) {
    super(`injected: ${fault}`)
    this.failure = fault === 'refused' || fault === 'too-large' ? fault : 'transient'
  }
}

export function isSent(fault: PublishFault | undefined): boolean {
  return fault === undefined || fault === 'unknown-stored'
}

export function isUnknown(fault: PublishFault): boolean {
  return fault === 'unknown-stored' || fault === 'unknown-lost' || fault === 'unknown-late'
}
