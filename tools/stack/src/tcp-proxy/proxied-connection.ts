import type { Socket } from 'node:net'
import type { TcpFaults } from './tcp-faults.ts'
import { carryStream } from './proxied-stream.ts'

export interface ProxiedConnectionOptions {
  readonly client: Socket
  readonly server: Socket
  readonly faults: TcpFaults
}

/** A connection of a client through the proxy to the server. */
export interface ProxiedConnection {
  /** Resolves when both sides have ended in order, or the connection is cut. */
  readonly ended: Promise<void>
  /** Resets both sides. */
  cut(): void
}

export function proxyConnection(options: ProxiedConnectionOptions): ProxiedConnection {
  const { client, server, faults } = options
  for (const socket of [client, server]) socket.on('error', () => {}) // carryStream rejects with what concerns it
  const cutting = new AbortController()
  const { signal } = cutting
  let dropReply: (() => void) | undefined

  const cut = (): void => {
    cutting.abort()
    client.resetAndDestroy()
    server.resetAndDestroy()
  }
  const requests = carryStream(
    { source: client, destination: server, signal, onArrival: bytes => (dropReply ??= faults.onRequest(bytes)) },
    faults.toServer,
  )
  const replies = carryStream(
    {
      source: server,
      destination: client,
      signal,
      onArrival() {
        if (dropReply === undefined) return
        cut()
        dropReply()
      },
    },
    faults.toClient,
  )
  // A side that breaks takes the other one with it; why it broke is of no interest to a proxy.
  return { cut, ended: Promise.all([requests, replies]).then(() => {}, cut) }
}
