import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { freePort } from '../free-port.ts'
import type { ProxiedConnection } from './proxied-connection.ts'

/** Where the clients of a proxy connect. */
export interface ProxyListener {
  readonly port: number
  readonly connections: ReadonlySet<ProxiedConnection>
  cut(): void
  refuse(): Promise<void>
  accept(): Promise<void>
}

/** Takes clients and their connections through `proxy` until they end. */
export async function listenForClients(proxy: (client: Socket) => ProxiedConnection): Promise<ProxyListener> {
  const port = await freePort()
  const connections = new Set<ProxiedConnection>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, client => void keep(proxy(client)))

  async function keep(connection: ProxiedConnection): Promise<void> {
    connections.add(connection)
    await connection.ended
    connections.delete(connection)
  }

  function cut(): void {
    for (const connection of connections) connection.cut()
  }

  async function refuse(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    cut()
    await closed
  }

  async function accept(): Promise<void> {
    if (server.listening) return
    const listening = once(server, 'listening')
    server.listen({ port, host: '127.0.0.1' })
    await listening
  }

  await accept()
  return { port, connections, cut, refuse, accept }
}
