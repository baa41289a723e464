import { KafkaRequestError } from '../client/kafka-error.ts'
import type { ConnectionSettings } from '../client/connection-settings.ts'
import type { AnswerOf, RequestName, ValuesOf } from './platformatic-library.ts'
import { PlatformaticLink } from './platformatic-link.ts'

interface Address {
  readonly host: string
  readonly port: number
}

/** The connections to all nodes: one to each for fetches, which wait at the broker, and one for everything else. */
export class PlatformaticNodes {
  readonly #settings: ConnectionSettings
  readonly #links = new Map<string, PlatformaticLink>()
  #known: readonly Address[] = []
  /** Who answered last, and is asked first. */
  #answers = ''
  #isClosed = false

  constructor(settings: ConnectionSettings) {
    this.#settings = settings
  }

  /** The cluster as it is now. */
  know(nodes: readonly Address[]): void {
    this.#known = nodes
  }

  /** @throws KafkaRequestError */
  send<Name extends RequestName>(
    node: Address,
    name: Name,
    values: ValuesOf<Name>,
    timeoutMs: number,
  ): Promise<AnswerOf<Name>> {
    return this.#link(node, name).send(name, values, timeoutMs)
  }

  /**
   * From whichever node answers. The time is shared: a node that is gone must not take all of it.
   * @throws KafkaRequestError of the last one
   */
  async ask<Name extends RequestName>(name: Name, values: ValuesOf<Name>, timeoutMs: number): Promise<AnswerOf<Name>> {
    const endsAt = performance.now() + timeoutMs
    const addresses = this.#addresses()
    let failure: unknown = new KafkaRequestError('unsent', `${name}: no broker is known`)
    for (const [index, address] of addresses.entries()) {
      const shareMs = Math.max(1, (endsAt - performance.now()) / (addresses.length - index))
      try {
        const answer = await this.send(address, name, values, shareMs)
        this.#answers = nameOf(address)
        return answer
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  close(): void {
    this.#isClosed = true
    for (const link of this.#links.values()) link.close()
  }

  #addresses(): readonly Address[] {
    const addresses = new Map([...this.#known, ...this.#settings.seeds].map(address => [nameOf(address), address]))
    const first = addresses.get(this.#answers)
    return first === undefined ? [...addresses.values()] : [...new Set([first, ...addresses.values()])]
  }

  #link(address: Address, name: RequestName): PlatformaticLink {
    const linkName = `${nameOf(address)}${name === 'Fetch' ? ' fetch' : ''}`
    const known = this.#links.get(linkName)
    if (known !== undefined) return known
    const link = new PlatformaticLink(this.#settings, address)
    if (this.#isClosed) link.close()
    this.#links.set(linkName, link)
    return link
  }
}

function nameOf({ host, port }: Address): string {
  return `${host}:${port}`
}
