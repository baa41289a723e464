import type { Outgoing } from '@mekong/core/driver'
import { Requests } from '../connection/requests.ts'
import type { SupervisedConnection } from '../connection/supervised-connection.ts'
import { RabbitMqError } from '../rabbitmq-failures.ts'
import { delayEntry } from './addressing.ts'

/** How long it is remembered that an exchange is missing. */
const missingForMs = 1000

/** Which exchanges are there, asked once for each connection and once more after a channel was lost. */
export class KnownExchanges {
  readonly #requests: Requests
  readonly #known = new Set<string>()
  readonly #missingUntil = new Map<string, number>()
  readonly #asked = new Map<string, Promise<void>>()

  constructor(connection: SupervisedConnection) {
    this.#requests = new Requests(connection, Number.MAX_SAFE_INTEGER)
    connection.watchers.add({ lost: () => this.forget() })
  }

  /** What is delayed needs its topic too, when it is due. */
  unknownOf(batch: readonly Outgoing[]): readonly string[] {
    let unknown: Set<string> | undefined
    let last: string | undefined
    for (const { topic, delayMs } of batch) {
      if (topic !== last && this.#isUnknown(topic)) (unknown ??= new Set()).add(topic)
      if (delayMs > 0 && this.#isUnknown(delayEntry)) (unknown ??= new Set()).add(delayEntry)
      last = topic
    }
    return unknown === undefined ? [] : [...unknown]
  }

  /** Rejects when the broker did not say. */
  async learn(exchanges: readonly string[]): Promise<void> {
    await Promise.all(exchanges.map(exchange => this.#learn(exchange)))
  }

  /** Whether this message may be sent; undefined: nobody knows. */
  verdictOn({ topic, delayMs }: Outgoing): RabbitMqError | 'there' | undefined {
    const missing = this.#isMissing(topic) ? topic : delayMs > 0 && this.#isMissing(delayEntry) ? delayEntry : undefined
    if (missing !== undefined) {
      return new RabbitMqError('refused', `exchange ${missing} does not exist: no topology was created for it`)
    }
    return this.#known.has(topic) && (delayMs <= 0 || this.#known.has(delayEntry)) ? 'there' : undefined
  }

  forget(): void {
    this.#known.clear()
    this.#missingUntil.clear()
  }

  #isUnknown(exchange: string): boolean {
    return !this.#known.has(exchange) && !this.#isMissing(exchange)
  }

  #learn(exchange: string): Promise<void> {
    let asked = this.#asked.get(exchange)
    if (asked === undefined) {
      asked = this.#ask(exchange).finally(() => this.#asked.delete(exchange))
      this.#asked.set(exchange, asked)
    }
    return asked
  }

  async #ask(exchange: string): Promise<void> {
    if (await this.#requests.hasExchange(exchange)) this.#known.add(exchange)
    else this.#missingUntil.set(exchange, performance.now() + missingForMs)
  }

  #isMissing(exchange: string): boolean {
    const until = this.#missingUntil.get(exchange)
    if (until === undefined) return false
    if (performance.now() < until) return true
    this.#missingUntil.delete(exchange)
    return false
  }
}
