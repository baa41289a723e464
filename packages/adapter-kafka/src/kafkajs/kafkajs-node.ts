import { messageOf } from '@mekong/core/driver'
import { failureWords, KafkaRequestError, type RequestFailure } from '../client/kafka-error.ts'
import { type Address, KafkajsLink } from './kafkajs-link.ts'
import { Patience } from './kafkajs-patience.ts'
import type { Cluster, RequestName } from './kafkajs-protocol.ts'

/** Sends requests to one node, each of them once. After any failure the connection is thrown away, and the next opens another. */
export class KafkajsNode {
  /** Undefined: whichever seed of the client is next. */
  readonly #address: Address | undefined
  readonly #cluster: Cluster
  #link: KafkajsLink | undefined
  #isClosed = false

  constructor(cluster: Cluster, address?: Address) {
    this.#cluster = cluster
    this.#address = address
  }

  /**
   * Resolves with the answer as the codec decodes it, error codes included.
   * @throws KafkaRequestError
   */
  async send<Answer>(name: RequestName, parameters: object, timeoutMs: number): Promise<Answer> {
    if (this.#isClosed) throw this.#failure('closed', name)
    const patience = new Patience(timeoutMs)
    const link = this.#usableLink()
    try {
      await this.#open(link, name, patience)
      return (await this.#exchange(link, { name, parameters, patience })) as Answer
    } finally {
      patience.cancel()
    }
  }

  /** What is under way rejects. */
  close(): void {
    this.#isClosed = true
    this.#link?.end('closed')
  }

  #usableLink(): KafkajsLink {
    if (this.#link?.isUsable === true) return this.#link
    this.#link?.end('the connection was lost')
    return (this.#link = new KafkajsLink(this.#cluster, this.#address))
  }

  async #open(link: KafkajsLink, name: RequestName, patience: Patience): Promise<void> {
    try {
      await link.open(name, patience)
    } catch (error) {
      throw this.#failure(openingFailure(error), name, error)
    }
  }

  async #exchange(link: KafkajsLink, { name, parameters, patience }: Exchange): Promise<unknown> {
    try {
      return await link.exchange(name, parameters, patience)
    } catch (error) {
      if (isUnsupported(error)) throw this.#failure('unsupported', name, error)
      link.end(`lost with a ${name} request`)
      throw this.#failure('unanswered', name, error)
    }
  }

  #failure(failure: RequestFailure, request: string, cause?: unknown): KafkaRequestError {
    if (this.#isClosed) return new KafkaRequestError('closed', `${request}: this connection was closed`)
    const where = this.#address === undefined ? 'a bootstrap server' : `${this.#address.host}:${this.#address.port}`
    return new KafkaRequestError(
      failure,
      `${request} to ${where}: ${failureWords[failure]} (${messageOf(cause)})`,
      cause,
    )
  }
}

interface Exchange {
  readonly name: RequestName
  readonly parameters: object
  readonly patience: Patience
}

function openingFailure(error: unknown): RequestFailure {
  const name = nameOf(error)
  if (name === 'KafkaJSSASLAuthenticationError') return lostInLogin.test(messageOf(error)) ? 'unsent' : 'denied'
  return isUnsupported(error) ? 'unsupported' : 'unsent'
}

/** A login that is cut off fails by the same name, without a cause: by the words of kafkajs 2.2.4. */
const lostInLogin =
  /: (?:Closed connection|Connection (?:error: |timeout|closed by)|Not connected|Request .* timed out)/

function isUnsupported(error: unknown): boolean {
  const name = nameOf(error)
  return name === 'KafkaJSServerDoesNotSupportApiKey' || name === 'KafkaJSNotImplemented'
}

function nameOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined
}
