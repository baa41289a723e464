import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Answer {
  readonly status: number
  readonly body: unknown
}

export interface Endpoint {
  readonly method: 'GET' | 'POST'
  /** A segment that begins with a colon takes any value: `/sagas/:orderId`. */
  readonly path: string
  readonly answer: (request: EndpointRequest) => Promise<Answer> | Answer
}

export interface EndpointRequest {
  /** Of the segment with the colon. */
  readonly parameter: string
  readonly query: URLSearchParams
  /** What came as JSON; undefined where nothing did. */
  readonly body: unknown
}

/** An answer that is not what was asked for. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface EndpointServer {
  readonly port: number
  /**
   * Takes no more connections and no more requests on those that are open; resolves when what is under way is answered,
   * or after a second: a caller that asks again and again on one connection, as probes do, keeps nobody waiting.
   */
  close(): Promise<void>
}

export interface EndpointServerOptions {
  readonly host: string
  /** Zero: any that is free. */
  readonly port: number
  readonly endpoints: readonly Endpoint[]
  /** Hears of what was not foreseen, which its caller is told nothing about. */
  readonly failed: (error: unknown) => void
}

const maxBodyBytes = 1024 * 1024
const closeWithinMs = 1000

/** Answers JSON with JSON. Rejects when the port is taken. */
export async function serveEndpoints(options: EndpointServerOptions): Promise<EndpointServer> {
  const isClosing = (): boolean => !server.listening
  const server = createServer((request, response) => void respond(request, response, { ...options, isClosing }))
  server.listen({ host: options.host, port: options.port })
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => closed(server) }
}

function closed(server: Server): Promise<void> {
  return new Promise(resolve => {
    const late = setTimeout(() => server.closeAllConnections(), closeWithinMs)
    server.close(() => {
      clearTimeout(late)
      resolve()
    })
    server.closeIdleConnections()
  })
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  { endpoints, failed, isClosing }: EndpointServerOptions & { readonly isClosing: () => boolean },
): Promise<void> {
  const { status, body } = await answer(request, endpoints).catch((error: unknown) => {
    if (error instanceof Refusal) return { status: error.status, body: { error: error.message } }
    failed(error)
    return { status: 500, body: { error: 'this failed; the log of the service says why' } }
  })
  // A connection that is kept alive is asked on, and the close of the server waits for it.
  if (!request.complete || isClosing()) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}

async function answer(request: IncomingMessage, endpoints: readonly Endpoint[]): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://service')
  const [found] = endpoints.flatMap(endpoint => {
    const parameter = parameterOf(endpoint.path, url.pathname)
    return parameter === undefined || endpoint.method !== request.method ? [] : [{ endpoint, parameter }]
  })
  if (found === undefined) throw new Refusal(404, `there is no ${request.method} ${url.pathname}`)
  return found.endpoint.answer({
    parameter: found.parameter,
    query: url.searchParams,
    body: await bodyOf(request),
  })
}

/** Undefined: this path is another. An empty string: it is this one, and has no parameter. */
function parameterOf(pattern: string, path: string): string | undefined {
  const [wanted, given] = [pattern.split('/'), path.split('/')]
  if (wanted.length !== given.length) return undefined
  let parameter = ''
  for (const [index, segment] of wanted.entries()) {
    const value = given[index] ?? ''
    if (segment.startsWith(':')) parameter = decoded(value)
    else if (segment !== value) return undefined
  }
  return parameter
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new Refusal(400, 'the path is not percent-encoded as it should be')
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  // The answer goes out on the same connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw tooLarge()
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new Refusal(400, 'the body is not JSON')
  }
}

function tooLarge(): Refusal {
  return new Refusal(413, `the body is larger than ${maxBodyBytes} bytes`)
}
