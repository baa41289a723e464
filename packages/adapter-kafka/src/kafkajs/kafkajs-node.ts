import { messageOf } from '@mekong/core/driver'
import { KafkaRequestError, type RequestFailure } from '../client/kafka-error.ts'
import { protocolRequest, type Broker, type Cluster, type RequestName } from './kafkajs-protocol.ts'

/** One life of the connections to a node. After any failure all of it is thrown away, and the next request opens another. */
interface Link {
  readonly broker: Broker
  readonly opened: Promise<void>
  fetching: Promise<unknown> | undefined
  isOpen: boolean
  isDropped: boolean
}

const FETCH_CONNECTION = 1

/** Sends requests to one node, each of them once. */
export class KafkajsNode {
  /** Undefined: whichever seed of the client is next. */
  readonly #address: { readonly host: string; readonly port: number } | undefined
  readonly #cluster: Cluster
  #link: Promise<Link> | undefined
  #isClosed = false

  constructor(cluster: Cluster, address?: { readonly host: string; readonly port: number }) {
    this.#cluster = cluster
    this.#address = address
  }

  /**
   * Resolves with the answer as the codec decodes it, error codes included.
   * @throws KafkaRequestError
   */
  async send<Answer>(name: RequestName, parameters: object, timeoutMs: number): Promise<Answer> {
    if (this.#isClosed) throw this.#failure('closed', name)
    const timeout = timer(timeoutMs)
    try {
      const link = await this.#open(name, timeout.over)
      return (await this.#exchange(link, { name, parameters, over: timeout.over })) as Answer
    } finally {
      timeout.cancel()
    }
  }

  /** What is under way rejects. */
  close(): void {
    this.#isClosed = true
    void this.#drop(this.#link)
  }

  async #open(name: RequestName, over: Promise<typeof timedOut>): Promise<Link> {
    const opening = (this.#link ??= this.#newLink())
    try {
      const link = await unlessOver(opening, over)
      await unlessOver(link.opened, over)
      link.isOpen = true
      if (name === 'Fetch') await unlessOver(openFetching(link), over)
      return link
    } catch (error) {
      void this.#drop(opening)
      throw this.#failure(openingFailure(error), name, error)
    }
  }

  async #exchange(
    link: Link,
    { name, parameters, over }: { name: RequestName; parameters: object; over: Promise<typeof timedOut> },
  ): Promise<unknown> {
    try {
      const { request, response, requestTimeout } = protocolRequest(link.broker, name, parameters)
      const answer = link.broker.connectionPool.send({
        request,
        response: { decode: bytes => response.decode(bytes), parse: async data => data },
        logResponseError: false,
        ...(requestTimeout !== undefined && { requestTimeout }),
      })
      return await unlessOver(answer, over)
    } catch (error) {
      if (isUnsupported(error)) throw this.#failure('unsupported', name, error)
      void this.#drop(this.#link)
      throw this.#failure('unanswered', name, error)
    }
  }

  async #newLink(): Promise<Link> {
    const connectionPool = await this.#cluster.connectionPoolBuilder.build(this.#address)
    const broker = this.#cluster.brokerPool.createBroker({ connectionPool, logger: this.#cluster.rootLogger })
    return { broker, opened: broker.connect(), fetching: undefined, isOpen: false, isDropped: false }
  }

  /**
   * At once: `disconnect` of kafkajs waits for every answer, which a broker that is stopped or cut off never gives, and a
   * connection that was lost is opened twice by two requests.
   */
  async #drop(opening: Promise<Link> | undefined): Promise<void> {
    if (opening === undefined) return
    if (this.#link === opening) this.#link = undefined
    const link = await opening.catch(() => undefined)
    if (link === undefined || link.isDropped) return
    link.isDropped = true
    link.opened.catch(() => undefined)
    const error = this.#failure(this.#isClosed ? 'closed' : 'unanswered', 'request')
    for (const { requestQueue, socket } of link.broker.connectionPool.pool) {
      requestQueue.rejectAll(error)
      requestQueue.destroy()
      socket?.destroy()
    }
  }

  #failure(failure: RequestFailure, request: string, cause?: unknown): KafkaRequestError {
    if (this.#isClosed) return new KafkaRequestError('closed', `${request}: this connection was closed`)
    if (cause instanceof KafkaRequestError) return cause
    const where = this.#address === undefined ? 'a bootstrap server' : `${this.#address.host}:${this.#address.port}`
    return new KafkaRequestError(failure, `${request} to ${where}: ${text[failure]} (${messageOf(cause)})`, cause)
  }
}

const text: Readonly<Record<RequestFailure, string>> = {
  unsent: 'no connection',
  unanswered: 'no answer',
  denied: 'the broker refuses the credentials',
  unsupported: 'not supported',
  closed: 'closed',
}

const timedOut = new Error('not in time')

function timer(timeoutMs: number): { readonly over: Promise<typeof timedOut>; cancel(): void } {
  let handle: NodeJS.Timeout | undefined
  const over = new Promise<typeof timedOut>(resolve => {
    handle = setTimeout(() => resolve(timedOut), timeoutMs)
  })
  return { over, cancel: () => clearTimeout(handle) }
}

async function unlessOver<T>(work: Promise<T>, over: Promise<typeof timedOut>): Promise<T> {
  const first = await Promise.race([work, over])
  if (first !== timedOut) return first as T
  work.catch(() => undefined)
  throw timedOut
}

/** The second connection of the pool, opened once however many ask. */
function openFetching(link: Link): Promise<unknown> {
  return (link.fetching ??= link.broker.connectionPool.pool[FETCH_CONNECTION]!.connect())
}

function openingFailure(error: unknown): RequestFailure {
  const name = nameOf(error)
  if (name === 'KafkaJSSASLAuthenticationError') return lostInLogin.test(messageOf(error)) ? 'unsent' : 'denied'
  return isUnsupported(error) ? 'unsupported' : 'unsent'
}

/** A login that has no answer fails by the same name, without a cause: by the words of kafkajs 2.2.4, and of `#failure`. */
const lostInLogin =
  /: (?:Closed connection|Connection (?:error: |timeout|closed by)|Not connected|Request .* timed out|.*\bno answer \()/

function isUnsupported(error: unknown): boolean {
  const name = nameOf(error)
  return name === 'KafkaJSServerDoesNotSupportApiKey' || name === 'KafkaJSNotImplemented'
}

function nameOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined
}
