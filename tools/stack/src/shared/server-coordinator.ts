import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SharedServerStarts } from './shared-server-starts.ts'

/** Starts the servers that the suites of a run share, each when it is first asked for, in the process of the run. */
export interface ServerCoordinator {
  /** Where the processes of the suites ask, by `<url>/<name>`. Nobody else knows it. */
  readonly url: string
  /** Starts all of them, one after the other, before anybody asks. Never rejects: whoever asks hears of a failure. */
  warm(): Promise<void>
  /** Stops what was started. */
  close(): Promise<void>
}

export async function createServerCoordinator(starts: SharedServerStarts): Promise<ServerCoordinator> {
  const started = new Map<string, ReturnType<SharedServerStarts[string]>>()
  const server = (name: string): ReturnType<SharedServerStarts[string]> => {
    const start = starts[name]
    if (start === undefined) return Promise.reject(new Error(`There is no shared server ${name}`))
    const known = started.get(name) ?? start()
    started.set(name, known)
    return known
  }
  const secret = randomBytes(16).toString('hex')
  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    const [, given, name = ''] = path.split('/')
    if (given !== secret) return void response.writeHead(403).end()
    try {
      const { address } = await server(name)
      response.end(JSON.stringify(address))
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.message : String(error))
    }
  }
  const listener = createServer((request, response) => void answer(request.url ?? '', response))
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  listener.unref()
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/${secret}`,
    async warm() {
      for (const name of Object.keys(starts)) await server(name).catch(() => {})
    },
    async close() {
      listener.close()
      listener.closeAllConnections()
      const outcomes = await Promise.allSettled(started.values())
      const running = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      await Promise.all(running.map(one => one.stop()))
    },
  }
}
