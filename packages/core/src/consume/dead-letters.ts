import type { Capabilities } from '../driver/driver-contract.ts'
import type { Observer } from '../signal.ts'
import type { PreparedEvent } from '../event/event.ts'
import { messageOf } from '../error.ts'
import { named } from './attempts.ts'
import { reasonOf } from './holding.ts'
import { persist, type Persistence } from './persist.ts'
import type { Subscription } from './subscription.ts'
import type { Work } from './work.ts'

export interface DeadLettersOptions extends Persistence {
  readonly capabilities: Capabilities
  /** Resolves when the broker has it. */
  readonly publish: (event: PreparedEvent) => Promise<unknown>
  readonly observe: Observer | undefined
}

/** Without a hold store: dead events go to a topic of the same broker, confirmed before their delivery is acknowledged. */
export class DeadLetters {
  readonly #options: DeadLettersOptions

  constructor(options: DeadLettersOptions) {
    this.#options = options
  }

  /** False: closing gave up; the event is delivered again. */
  async send(subscription: Subscription, work: Work, error: unknown): Promise<boolean> {
    const { capabilities, publish, observe } = this.#options
    const topic = deadLetterTopic(subscription.topic, subscription.scope.group, capabilities)
    const reason = reasonOf(error)
    const letter: PreparedEvent = {
      id: work.envelope.attributes.id,
      type: work.envelope.attributes.type,
      topic,
      key: work.message.key,
      headers: {
        ...Object.fromEntries(work.message.headers.entries()),
        'mekong-dead-subscription': subscription.name,
        'mekong-dead-code': reason.code,
        'mekong-dead-reason': messageOf(error)
          .replace(/[^\x20-\x7e]/g, '?')
          .slice(0, 500),
        'mekong-dead-attempts': String(work.attempts),
        'mekong-dead-position': `${work.message.partition.id}/${work.message.position}`,
      },
      body: work.message.body,
    }
    if ((await persist(() => publish(letter), this.#options)) === undefined) return false
    observe?.({ is: 'dead-lettered', topic, reason: `${reason.code}: ${reason.message}`, ...named(subscription, work) })
    return true
  }
}

/** `<topic>.<group>.dead`; what a broker does not take in a name is written as its code, so that no two names meet. */
export function deadLetterTopic(topic: string, group: string, capabilities: Capabilities): string {
  const name = `${topic}.${group}.dead`
  if (capabilities.topicName.test(name)) return name
  const escape = (part: string): string =>
    part.replace(/[^A-Za-z0-9-]/g, character => `_${character.codePointAt(0)?.toString(16) ?? ''}_`)
  return `${escape(topic)}-_-${escape(group)}-_-dead`
}
