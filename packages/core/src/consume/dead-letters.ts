import type { Capabilities } from '../driver/driver-contract.ts'
import { isMekongError } from '../error.ts'
import type { PreparedEvent } from '../event/event.ts'
import type { Observer } from '../signal.ts'
import { named } from './attempts.ts'
import { deadLetter, formsOf } from './dead-letter.ts'
import { reasonOf } from './holding.ts'
import { persist, type Persistence } from './persist.ts'
import type { Subscription } from './subscription.ts'
import type { Work } from './work.ts'

export interface DeadLettersOptions extends Persistence {
  readonly capabilities: Capabilities
  /** Resolves when the broker has it. */
  readonly publish: (event: PreparedEvent) => Promise<unknown>
  /** Whether the broker can never take what failed with this. */
  readonly isIllegal: (error: unknown) => boolean
  readonly observe: Observer | undefined
}

/** Without a hold store: dead events go to a topic of the same broker, confirmed before their delivery is acknowledged. */
export class DeadLetters {
  readonly #options: DeadLettersOptions
  readonly #unsent = new Set<Work>()

  constructor(options: DeadLettersOptions) {
    this.#options = options
  }

  /** Those that the broker has not taken, although it was asked: nothing passes them by. */
  get unsent(): ReadonlySet<Work> {
    return this.#unsent
  }

  /** False: closing gave up; the event is delivered again. */
  async send(subscription: Subscription, work: Work, error: unknown): Promise<boolean> {
    const { capabilities, observe } = this.#options
    const topic = deadLetterTopic(subscription.topic, subscription.scope.group, capabilities)
    const sent = await this.#untilSent(work, deadLetter(subscription, work, error, topic))
    if (sent === undefined) return false
    const { code, message } = reasonOf(error)
    observe?.({ is: 'dead-lettered', topic, reason: `${code}: ${message}`, ...named(subscription, work) })
    return true
  }

  async #untilSent(work: Work, letter: PreparedEvent): Promise<true | undefined> {
    const onFailure = (failure: unknown): void => {
      this.#unsent.add(work)
      this.#options.onFailure(failure)
    }
    const sent = await persist(() => this.#publish(letter), { ...this.#options, onFailure })
    this.#unsent.delete(work)
    return sent
  }

  /** Rejects where repeating may help, or nothing does. */
  async #publish(letter: PreparedEvent): Promise<true> {
    let failure: unknown
    for (const form of formsOf(letter)) {
      try {
        for (const part of form) await this.#options.publish(part)
        return true
      } catch (error) {
        if (!this.#mayFitOtherwise(error)) throw error
        failure = error
      }
    }
    throw failure
  }

  #mayFitOtherwise(error: unknown): boolean {
    if (!isMekongError(error)) return false
    return error.code === 'EVENT_TOO_LARGE' || error.code === 'INVALID_EVENT' || this.#options.isIllegal(error.cause)
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
