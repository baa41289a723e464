import { messageOf } from '@mekong/core/driver'
import type { Connection } from '@platformatic/kafka'
import { failureWords, KafkaRequestError, type RequestFailure } from '../client/kafka-error.ts'
import type { ConnectionSettings } from '../client/connection-settings.ts'
import { loadLibrary, requestOf, requestVersions } from './platformatic-library.ts'
import type { AnswerOf, Library, RequestName, ValuesOf } from './platformatic-library.ts'

/** The library's own clock for requests, which has no per-request time: set to the longest, and ours is used. */
const NEVER_MS = 2 ** 31 - 1
const UNBOUNDED = Number.MAX_SAFE_INTEGER

/** One connection, from the first try until it is lost. */
interface Life {
  connection: Connection | undefined
  state: 'opening' | 'open' | 'ended'
}

interface Open {
  readonly life: Life
  readonly library: Library
  readonly connection: Connection
}

/**
 * One connection to one node, opened when it is needed and thrown away after any failure. It sends each request once and at
 * once: the library's own queue, retries and timeout are set so that they never act.
 */
export class PlatformaticLink {
  readonly #settings: ConnectionSettings
  readonly #host: string
  readonly #port: number
  #life: Life | undefined
  #opening: Promise<Open> | undefined
  #isClosed = false

  constructor(settings: ConnectionSettings, { host, port }: { readonly host: string; readonly port: number }) {
    this.#settings = settings
    this.#host = host
    this.#port = port
  }

  /**
   * Resolves with the answer, error codes included.
   * @throws KafkaRequestError
   */
  async send<Name extends RequestName>(name: Name, values: ValuesOf<Name>, timeoutMs: number): Promise<AnswerOf<Name>> {
    const startedAt = performance.now()
    const { life, library, connection } = await this.#open(name, timeoutMs)
    const restMs = Math.max(1, timeoutMs - (performance.now() - startedAt))
    try {
      const write = requestOf(library, name)
      return await exchange(connection, restMs, answered => write(connection, ...values, answered))
    } catch (error) {
      if (isUnsupported(error)) throw this.#failure('unsupported', name, error)
      this.#end(life)
      throw this.#failure('unanswered', name, error)
    }
  }

  /** What is under way rejects. */
  close(): void {
    this.#isClosed = true
    if (this.#life !== undefined) this.#end(this.#life)
  }

  async #open(name: string, timeoutMs: number): Promise<Open> {
    if (this.#isClosed) throw this.#failure('closed', name)
    this.#opening ??= this.#begin()
    try {
      const open = this.#life?.state === 'open' ? await this.#opening : await within(this.#opening, timeoutMs)
      // Kafka takes nothing else while a connection shows new credentials.
      if (open.connection.status === 'reauthenticating') await within(open.connection.ready(), timeoutMs)
      return open
    } catch (error) {
      throw this.#failure(openingFailure(error), name, error)
    }
  }

  async #begin(): Promise<Open> {
    const life: Life = (this.#life = { connection: undefined, state: 'opening' })
    try {
      return await this.#connect(life)
    } catch (error) {
      this.#end(life)
      throw error
    }
  }

  async #connect(life: Life): Promise<Open> {
    const library = await loadLibrary()
    const { clientId, connectTimeoutMs } = this.#settings
    const connection = new library.Connection(clientId, {
      connectTimeout: connectTimeoutMs,
      requestTimeout: NEVER_MS,
      maxInflights: UNBOUNDED,
      ...securityOf(this.#settings, this.#host),
    })
    if (life.state === 'ended') throw new Error('closed')
    life.connection = connection
    connection.on('error', () => this.#end(life))
    connection.on('close', () => this.#end(life))
    await connection.connect(this.#host, this.#port)
    await checkVersions(library, connection, connectTimeoutMs)
    life.state = 'open'
    return { life, library, connection }
  }

  /** At once, without waiting for answers: a broker that is stopped or cut off never gives them. */
  #end(life: Life): void {
    if (life.state === 'ended') return
    life.state = 'ended'
    if (this.#life === life) this.#life = this.#opening = undefined
    life.connection?.socket?.destroy()
    // While it connects nobody else tells those who wait for it.
    if (life.connection?.status === 'connecting') life.connection.emit('close')
  }

  #failure(failure: RequestFailure, request: string, cause?: unknown): KafkaRequestError {
    if (this.#isClosed) return new KafkaRequestError('closed', `${request}: this connection was closed`)
    const where = `${this.#host}:${this.#port}`
    return new KafkaRequestError(
      failure,
      `${request} to ${where}: ${failureWords[failure]} (${reasonOf(cause)})`,
      cause,
    )
  }
}

/** An answer with an error in it comes as an error that carries the answer. */
function exchange<Answer>(
  connection: Connection,
  timeoutMs: number,
  write: (answered: (error: Error | null, answer?: Answer) => void) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(notInTime(timeoutMs)), timeoutMs)
    write((error, answer) => {
      clearTimeout(timer)
      const response = error === null ? answer : (responseOf(error) as Answer | undefined)
      if (response === undefined) reject(error ?? new Error(`no response (${connection.status})`))
      else resolve(response)
    })
  })
}

function responseOf(error: Error): unknown {
  return 'response' in error ? error.response : undefined
}

function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(notInTime(timeoutMs)), timeoutMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function notInTime(timeoutMs: number): Error {
  return new Error(`not within ${Math.round(timeoutMs)} ms`)
}

/** @throws when the broker does not know a request in the version that is used */
async function checkVersions(library: Library, connection: Connection, timeoutMs: number): Promise<void> {
  const { clientSoftwareName, clientSoftwareVersion, apiVersionsV3 } = library
  const { apiKeys } = await exchange<ApiVersions>(connection, timeoutMs, answered =>
    apiVersionsV3.api(connection, clientSoftwareName, clientSoftwareVersion, answered),
  )
  const ranges = new Map(apiKeys.map(range => [range.apiKey, range]))
  for (const { name, key, version } of requestVersions(library)) {
    const range = ranges.get(key)
    if (range !== undefined && range.minVersion <= version && range.maxVersion >= version) continue
    throw new UnsupportedError(`${name} version ${version}: client "platformatic" needs Kafka 3.0 or later`)
  }
}

type ApiVersions = Awaited<ReturnType<Library['apiVersionsV3']['api']['async']>>

class UnsupportedError extends Error {}

function securityOf({ tls, sasl }: ConnectionSettings, host: string): object {
  return {
    ...(tls !== undefined && { tls, tlsServerName: tls.servername ?? isName(host) }),
    ...(sasl !== undefined && { sasl }),
  }
}

/** A name, and no address, may stand in a TLS greeting. */
function isName(host: string): boolean {
  return !/^[\d.]+$|:/.test(host)
}

function openingFailure(error: unknown): RequestFailure {
  if (isDenied(error)) return 'denied'
  return isUnsupported(error) ? 'unsupported' : 'unsent'
}

/** Only by an answer of the broker: the library says the same when a login is cut off, or when no token can be had. */
function isDenied(error: unknown): boolean {
  const login = causesOf(error).find(one => codeOf(one) === 'PLT_KFK_AUTHENTICATION')
  return login !== undefined && (login.cause === undefined || causesOf(login.cause).some(isAnswer))
}

function isAnswer(error: Error): boolean {
  return responseOf(error) !== undefined
}

function isUnsupported(error: unknown): boolean {
  return causesOf(error).some(one => one instanceof UnsupportedError || unsupported.has(codeOf(one)))
}

const unsupported: ReadonlySet<unknown> = new Set(['PLT_KFK_UNSUPPORTED_COMPRESSION', 'INVALID_CONFIGURATION'])

/** The error, what caused it, and so on. */
function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = []
  for (let one = error; one instanceof Error && causes.length < MAX_CAUSES; one = one.cause) causes.push(one)
  return causes
}

const MAX_CAUSES = 8

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined
}

/** With the reason below it, where the library only says that something failed. */
function reasonOf(error: unknown): string {
  const below = error instanceof Error && error.cause instanceof Error ? `: ${messageOf(error.cause)}` : ''
  return messageOf(error) + below
}
