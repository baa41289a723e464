import { OutOfPatience, Patience } from './kafkajs-patience.ts'
import { protocolRequest, type Broker, type Cluster, type RequestName } from './kafkajs-protocol.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

const MAIN_CONNECTION = 0
const FETCH_CONNECTION = 1

/** One life of the connections to a node, from the first try until the first failure: kafkajs is not asked to mend any. */
export class KafkajsLink {
  readonly #patient = new Set<Patience>()
  readonly #opened: Promise<void>
  #broker: Broker | undefined
  #fetching: Promise<unknown> | undefined
  #isOpen = false
  #hasEnded = false

  /** @param address undefined: whichever seed of the client is next */
  constructor(cluster: Cluster, address: Address | undefined) {
    this.#opened = this.#connect(cluster, address)
    this.#opened.catch(() => this.end('it could not be opened'))
  }

  /** Whether a request may be sent on it. A connection may be lost while nothing is asked of it. */
  get isUsable(): boolean {
    return !this.#hasEnded && (!this.#isOpen || this.#broker!.connectionPool.pool[MAIN_CONNECTION]!.isConnected())
  }

  /** Resolves when such a request can be sent. What is less patient than a connection takes does not end it for others. */
  async open(name: RequestName, patience: Patience): Promise<void> {
    await this.#among(patience, this.#opened)
    if (name === 'Fetch') await this.#among(patience, this.#openFetching())
  }

  /** Resolves with the answer as the codec decodes it, error codes included. */
  async exchange(name: RequestName, parameters: object, patience: Patience): Promise<unknown> {
    const { request, response, requestTimeout } = protocolRequest(this.#broker!, name, parameters)
    const answer = this.#broker!.connectionPool.send({
      request,
      response: { decode: bytes => response.decode(bytes), parse: async data => data },
      logResponseError: false,
      ...(requestTimeout !== undefined && { requestTimeout }),
    })
    return this.#among(patience, answer)
  }

  /**
   * At once, and everything that waits for it hears so: `disconnect` of kafkajs waits for every answer, which a broker that is
   * stopped or cut off never gives.
   */
  end(why: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    for (const patience of this.#patient) patience.end(why)
    for (const { requestQueue, socket } of this.#broker?.connectionPool.pool ?? []) {
      requestQueue.rejectAll(new Error(why))
      requestQueue.destroy()
      socket?.destroy()
    }
  }

  async #connect(cluster: Cluster, address: Address | undefined): Promise<void> {
    const connectionPool = await cluster.connectionPoolBuilder.build(address)
    if (this.#hasEnded) throw new Error('closed')
    this.#broker = cluster.brokerPool.createBroker({ connectionPool, logger: cluster.rootLogger })
    // kafkajs bounds the first half, TCP and TLS. A stopped broker's machine takes that, and nothing comes after it.
    const patience = new Patience(2 * connectionPool.connectionTimeout)
    try {
      await this.#among(patience, this.#broker.connect())
      this.#isOpen = true
    } catch (error) {
      throw error instanceof OutOfPatience ? new Error(error.message) : error
    } finally {
      patience.cancel()
    }
  }

  /** The second connection of the pool, opened once however many ask. */
  #openFetching(): Promise<unknown> {
    return (this.#fetching ??= this.#broker!.connectionPool.pool[FETCH_CONNECTION]!.connect())
  }

  async #among<T>(patience: Patience, work: Promise<T>): Promise<T> {
    if (this.#hasEnded) throw new OutOfPatience('the connection was lost')
    this.#patient.add(patience)
    try {
      return await patience.for(work)
    } finally {
      this.#patient.delete(patience)
    }
  }
}
