import type { Outgoing } from '@mekong/core/driver'
import { Requests } from '../connection/requests.ts'
import type { SupervisedConnection } from '../connection/supervised-connection.ts'
import { RabbitMqError } from '../rabbitmq-failures.ts'
import type { Addressing } from './addressing.ts'

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

  unknownOf(batch: readonly Outgoing[], addressing: Addressing): readonly string[] {
    let unknown: Set<string> | undefined
    let last: string | undefined
    for (const outgoing of batch) {
      const exchange = addressing.exchangeOf(outgoing)
      if (exchange === last) continue
      last = exchange
      if (!this.#known.has(exchange) && !this.#isMissing(exchange)) (unknown ??= new Set()).add(exchange)
    }
    return unknown === undefined ? [] : [...unknown]
  }

  /** Rejects when the broker did not say. */
  async learn(exchanges: readonly string[]): Promise<void> {
    await Promise.all(exchanges.map(exchange => this.#learn(exchange)))
  }

  isKnown(exchange: string): boolean {
    return this.#known.has(exchange)
  }

  refusalOf(exchange: string): RabbitMqError | undefined {
    if (!this.#isMissing(exchange)) return undefined
    return new RabbitMqError('refused', `exchange ${exchange} does not exist: no topology was created for it`)
  }

  forget(): void {
    this.#known.clear()
    this.#missingUntil.clear()
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
