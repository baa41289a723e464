import { EventEmitter, once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startTcpProxy, type TcpProxy } from '../src/index.ts'

interface Echo extends AsyncDisposable {
  readonly port: number
  /** All that clients have sent. */
  readonly received: string
  /** Resolves when `received` holds the text. */
  untilReceived(text: string): Promise<void>
}

interface Client {
  readonly socket: Socket
  readonly received: string
  send(text: string): void
  untilReceived(text: string): Promise<void>
  /** The error code with which the connection broke; undefined when it was closed in order. */
  readonly broken: Promise<string | undefined>
}

let echo: Echo
let proxy: TcpProxy

beforeEach(async () => {
  echo = await startEcho()
  proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: echo.port } })
  return async () => {
    await proxy.close()
    await echo[Symbol.asyncDispose]()
  }
})

const clients: Socket[] = []
afterEach(() => {
  for (const socket of clients.splice(0)) socket.destroy()
})

it('carries requests and replies, and the end of both', async () => {
  const client = await connectClient()
  client.send('hello')
  await client.untilReceived('hello')
  expect(proxy.connectionCount).toBe(1)
  client.socket.end()
  expect(await client.broken).toBeUndefined()
})

it('carries more than its buffers hold', async () => {
  const client = await connectClient()
  const text = 'x'.repeat(8 * 1024 * 1024)
  client.send(text)
  await client.untilReceived(text)
  expect(client.received).toHaveLength(text.length)
})

it('names its own address in the URL of a server', () => {
  expect(proxy.through('postgres://user:secret@db.example:5432/orders?a=b')).toBe(
    `postgres://user:secret@127.0.0.1:${proxy.port}/orders?a=b`,
  )
})

it('refuses a target without a port', async () => {
  await expect(startTcpProxy({ target: 'postgres://127.0.0.1/orders' })).rejects.toThrow('names no port')
})

it('cuts open connections and takes new ones', async () => {
  const client = await connectClient()
  client.send('before')
  await client.untilReceived('before')
  proxy.cut()
  expect(await client.broken).toBe('ECONNRESET')
  const next = await connectClient()
  next.send('after')
  await next.untilReceived('after')
})

it('refuses connections until it accepts them again', async () => {
  const client = await connectClient()
  await proxy.refuse()
  expect(await client.broken).toBe('ECONNRESET')
  await expect(connectClient()).rejects.toThrow('ECONNREFUSED')
  await proxy.accept()
  const next = await connectClient()
  next.send('again')
  await next.untilReceived('again')
})

it('resets a client when the server is not there', async () => {
  await echo[Symbol.asyncDispose]()
  const client = await connectClient()
  expect(await client.broken).toBe('ECONNRESET')
})

it('delivers what a stalled connection held back when it flows again', async () => {
  const client = await connectClient()
  proxy.stall()
  client.send('held')
  const other = await connectClient(echo.port)
  other.send('passes by')
  await other.untilReceived('passes by')
  expect(echo.received).not.toContain('held')
  proxy.flow()
  await client.untilReceived('held')
})

it('makes a half-open connection by stalling one direction', async () => {
  const client = await connectClient()
  proxy.stall('to-client')
  client.send('done')
  await echo.untilReceived('done')
  expect(client.received).toBe('')
  proxy.flow('to-client')
  await client.untilReceived('done')
})

it('holds back that a client has closed while it stalls', async () => {
  const client = await connectClient()
  client.send('open')
  await client.untilReceived('open')
  proxy.stall('to-server')
  client.socket.end('late')
  await once(client.socket, 'finish')
  expect(proxy.connectionCount).toBe(1)
  proxy.flow('to-server')
  await client.untilReceived('openlate')
  expect(await client.broken).toBeUndefined()
})

it('delays each byte on either way', async () => {
  const client = await connectClient()
  proxy.delay(50)
  const startedAt = performance.now()
  client.send('abc')
  await client.untilReceived('abc')
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(100)
})

it('delays a stream as a whole, not one chunk after the other', async () => {
  const client = await connectClient()
  proxy.delay(50)
  const startedAt = performance.now()
  const text = 'x'.repeat(4 * 1024 * 1024) // 64 chunks and more
  client.send(text)
  await client.untilReceived(text)
  expect(performance.now() - startedAt).toBeLessThan(64 * 50)
})

it('limits what a connection carries in a second', async () => {
  const client = await connectClient()
  proxy.limit(100_000, 'to-client')
  const startedAt = performance.now()
  const text = 'x'.repeat(20_000)
  client.send(text)
  await client.untilReceived(text)
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(180)
})

it('cuts a connection after its request and before the reply', async () => {
  const client = await connectClient()
  client.send('BEGIN;')
  await client.untilReceived('BEGIN;')
  const isCut = proxy.cutBeforeReply(bytes => bytes.includes('COMMIT'))
  client.send('INSERT;')
  await client.untilReceived('INSERT;')
  client.send('COMMIT;')
  expect(await isCut).toBe(true)
  expect(await client.broken).toBe('ECONNRESET')
  expect(echo.received).toContain('COMMIT;')
  expect(client.received).not.toContain('COMMIT')
})

it('cuts before one reply only', async () => {
  const isCut = proxy.cutBeforeReply()
  const client = await connectClient()
  client.send('first')
  expect(await isCut).toBe(true)
  const next = await connectClient()
  next.send('second')
  await next.untilReceived('second')
})

it('says that no reply was cut when that is taken back', async () => {
  const isCut = proxy.cutBeforeReply()
  await proxy.restore()
  expect(await isCut).toBe(false)
  const client = await connectClient()
  client.send('through')
  await client.untilReceived('through')
})

it('takes every fault back', async () => {
  proxy.stall()
  proxy.delay(60_000)
  proxy.limit(1)
  await proxy.refuse()
  await proxy.restore()
  const client = await connectClient()
  client.send('normal')
  await client.untilReceived('normal')
  expect(echo.received).toBe('normal')
})

it('resets what is stalled when it closes', async () => {
  const client = await connectClient()
  proxy.stall()
  client.send('never arrives')
  await proxy.close()
  expect(await client.broken).toBe('ECONNRESET')
})

async function startEcho(): Promise<Echo> {
  const sockets = new Set<Socket>()
  const arrivals = new EventEmitter()
  let received = ''
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', bytes => {
      received += bytes.toString()
      arrivals.emit('arrival')
    })
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get received() {
      return received
    },
    async untilReceived(text) {
      while (!received.includes(text)) await once(arrivals, 'arrival')
    },
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function connectClient(port = proxy.port): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1' })
  clients.push(socket)
  let received = ''
  socket.setEncoding('utf8').on('data', text => (received += String(text)))
  const broken = new Promise<string | undefined>(resolve => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
    socket.once('close', () => resolve(undefined))
  })
  await once(socket, 'connect')
  return {
    socket,
    broken,
    get received() {
      return received
    },
    send: text => void socket.write(text),
    async untilReceived(text) {
      while (received.length < text.length || !received.endsWith(text)) await once(socket, 'data')
    },
  }
}
