import type { Incoming } from '../driver/driver-contract.ts'
import { isMekongError, MekongError, messageOf } from '../error.ts'
import { readAttributes, readIdentity } from '../event/decode.ts'
import type { Envelope } from './work.ts'

/** Stands for the type of an event whose envelope cannot be read; no handler is registered for it. */
export const undecodableType = '(undecodable)'

/**
 * Reads the envelope, and nothing of the data. `newIdentity` names an event that neither its publisher nor the broker
 * named: such an event is never recognised as a duplicate.
 */
export function openEnvelope(message: Incoming, newIdentity: () => string): Envelope {
  try {
    const attributes = readAttributes(message)
    return { attributes, event: readIdentity(attributes) ?? newIdentity(), problem: undefined }
  } catch (error) {
    const event = message.messageId === undefined ? newIdentity() : `at ${message.messageId}`
    const problem = isMekongError(error) ? error : new MekongError('UNDECODABLE', messageOf(error), { cause: error })
    return { attributes: unreadable(message, event), event, problem }
  }
}

function unreadable(message: Incoming, event: string): Envelope['attributes'] {
  return {
    id: event,
    source: '',
    type: undecodableType,
    time: undefined,
    key: message.key,
    schemaVersion: 1,
    correlationId: event,
    causationId: undefined,
    contentType: '',
    headers: {},
  }
}
