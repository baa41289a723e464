import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { systemClock } from '@mekong/core/driver'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SupervisedConnection } from '../src/connection/supervised-connection.ts'

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const u32 = (value: number): Buffer =>
  Buffer.from([value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff])
const shortText = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
const longText = (text: string): Buffer => Buffer.concat([u32(text.length), Buffer.from(text)])

/** A frame with a method of the class `connection`. */
function method(id: number, ...fields: readonly Buffer[]): Buffer {
  const payload = Buffer.concat([u16(10), u16(id), ...fields])
  return Buffer.concat([Buffer.from([1]), u16(0), u32(payload.length), payload, Buffer.from([0xce])])
}

const start = method(10, Buffer.from([0, 9]), u32(0), longText('PLAIN'), longText('en_US'))
const tune = method(30, u16(100), u32(131_072), u16(0))
const openOk = method(41, shortText(''))
const closing = Buffer.concat([u16(10), u16(50)])
const closeOk = method(51)
const close = method(50, u16(320), shortText('CONNECTION_FORCED'), u16(0), u16(0))

/** Says what it is told to, whatever it hears: a client of amqplib waits for each answer. */
async function broker(greet: (socket: Socket) => void): Promise<Server> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.resume()
    greet(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return server
}

function connectionTo(server: Server): SupervisedConnection {
  const { port } = server.address() as AddressInfo
  const connection = new SupervisedConnection(
    {
      endpoints: [{ protocol: 'amqp', hostname: '127.0.0.1', port, heartbeat: 0 }],
      socket: { timeout: 20_000 },
      reconnectDelayMs: 1,
      maxReconnectDelayMs: 1,
      clock: systemClock,
      random: () => 1,
    },
    'testing',
  )
  onTestFinished(() => connection.close())
  return connection
}

describe('a supervised connection', () => {
  it('opens another one when the broker closes it in one breath with opening it', async () => {
    const greetings = [Buffer.concat([start, tune, openOk, close]), Buffer.concat([start, tune, openOk])]
    let connections = 0
    const server = await broker(socket => {
      socket.write(greetings[connections++] ?? start)
      socket.on('data', heard => void (heard.includes(closing) && socket.write(closeOk)))
    })
    const connection = connectionTo(server)
    const lost: unknown[] = []
    connection.watchers.add({ lost: error => lost.push(error) })
    const model = await connection.opened(10_000)
    expect(connection.current).toBe(model)
    expect(lost).toEqual([])
    expect(connections).toBe(2)
  })

  it('closes at once while the broker does not answer its greeting', async () => {
    let greeted = (): void => {}
    const isGreeted = new Promise<void>(resolve => (greeted = resolve))
    const connection = connectionTo(await broker(() => greeted()))
    const opened = connection.opened(10_000)
    await isGreeted
    const closedAt = performance.now()
    await connection.close()
    expect(performance.now() - closedAt).toBeLessThan(1000)
    await expect(opened).rejects.toMatchObject({ failure: 'closed' })
  })

  it('closes within seconds when the broker does not answer that either', async () => {
    const connection = connectionTo(await broker(socket => void socket.write(Buffer.concat([start, tune, openOk]))))
    await connection.opened(10_000)
    const closedAt = performance.now()
    await connection.close()
    expect(performance.now() - closedAt).toBeLessThan(5000)
    expect(connection.current).toBeUndefined()
  })
})
