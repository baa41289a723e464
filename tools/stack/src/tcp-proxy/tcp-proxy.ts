import { connect, type Socket } from 'node:net'
import { type ProxiedConnection, proxyConnection } from './proxied-connection.ts'
import { listenForClients } from './proxy-listener.ts'
import { createTcpFaults, type StreamDirection, type TcpFaults } from './tcp-faults.ts'

export interface TcpAddress {
  readonly host: string
  readonly port: number
}

export interface TcpProxyOptions {
  /** The server, as a URL with a port or as an address. It need not run yet. */
  readonly target: string | TcpAddress
}

/**
 * Stands between clients and a server, on 127.0.0.1, and breaks what a test wants broken. Faults hold for connections
 * that are open and for those to come, until they are taken back; where no direction is named they hold for both.
 */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** How many connections are open. */
  readonly connectionCount: number
  /** The same URL with the proxy's address in place of the server's. */
  through(url: string): string
  /** Resets every open connection, on both sides. New ones are taken. */
  cut(): void
  /** Resets every open connection and refuses new ones. */
  refuse(): Promise<void>
  /** Takes connections again. */
  accept(): Promise<void>
  /**
   * Holds everything back, as a network does that loses all packets: bytes, and that a side has closed or reset. New
   * connections are taken. One direction alone makes connections half-open.
   */
  stall(direction?: StreamDirection): void
  /** Ends `stall`: what was held back arrives. */
  flow(direction?: StreamDirection): void
  /** Delivers every byte so much later. 0 ends it. */
  delay(delayMs: number, direction?: StreamDirection): void
  /** Limits what each connection carries in a second. Infinity ends it. */
  limit(bytesPerSecond: number, direction?: StreamDirection): void
  /**
   * Lets the next request through to the server and resets its connection, on both sides, when the reply comes: what
   * was asked for is done, and the client cannot know. A request is a chunk of bytes from a client for which
   * `isRequest` holds, any by default; the reply is what the server sends next on that connection. Resolves with true
   * when the connection is cut, with false when that is taken back first, by `restore`, `close` or another call.
   */
  cutBeforeReply(isRequest?: (bytes: Buffer) => boolean): Promise<boolean>
  /** Takes every fault back. */
  restore(): Promise<void>
  /** Resets every open connection and ends the proxy. May be called again. */
  close(): Promise<void>
}

export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const target = typeof options.target === 'string' ? addressOf(options.target) : options.target
  const faults = createTcpFaults()
  const listener = await listenForClients(client => proxyClient(client, target, faults))

  async function close(): Promise<void> {
    faults.restore()
    await listener.refuse()
  }

  return {
    port: listener.port,
    get connectionCount() {
      return listener.connections.size
    },
    through: url => withAddress(url, { host: '127.0.0.1', port: listener.port }),
    cut: () => listener.cut(),
    refuse: () => listener.refuse(),
    accept: () => listener.accept(),
    stall: direction => faults.change(direction, conditions => conditions.stall()),
    flow: direction => faults.change(direction, conditions => conditions.flow()),
    delay: (delayMs, direction) => faults.change(direction, conditions => Object.assign(conditions, { delayMs })),
    limit: (bytesPerSecond, direction) =>
      faults.change(direction, conditions => Object.assign(conditions, { bytesPerSecond })),
    cutBeforeReply: (isRequest = () => true) => faults.dropReply(isRequest),
    async restore() {
      faults.restore()
      await listener.accept()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function proxyClient(client: Socket, target: TcpAddress, faults: TcpFaults): ProxiedConnection {
  const server = connect({ ...target, allowHalfOpen: true, noDelay: true })
  return proxyConnection({ client, server, faults })
}

function addressOf(url: string): TcpAddress {
  const { hostname, port } = new URL(url)
  if (port === '') throw new TypeError('The target URL of a TCP proxy names no port')
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function withAddress(url: string, { host, port }: TcpAddress): string {
  const changed = new URL(url)
  changed.host = `${host}:${port}`
  return changed.href
}
