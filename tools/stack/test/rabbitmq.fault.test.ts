import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import { expect, it, onTestFinished } from 'vitest'
import {
  type RabbitMqServer,
  requestManagement,
  startRabbitMq,
  type StartRabbitMqOptions,
  syncDeclarations,
} from '../src/index.ts'
import { descendants } from '../src/supervisor/process-tree.ts'
import { isAlive } from './is-alive.ts'
import { isProgram, runningCheck } from './server-place.ts'
import { describeByWay } from './ways.ts'

async function start(options: StartRabbitMqOptions = {}): Promise<RabbitMqServer> {
  const server = await startRabbitMq({ storage: 'memory', ...options })
  onTestFinished(() => server.stop())
  return server
}

interface OpenChannel {
  readonly connection: ChannelModel
  readonly channel: ConfirmChannel
}

async function openChannel(url: string, socketOptions: object = {}): Promise<OpenChannel> {
  const connection = await connect(url, socketOptions)
  connection.on('error', () => {}) // a test that breaks the connection sees what it waits for reject
  onTestFinished(() => connection.close().catch(() => {}))
  const channel = await connection.createConfirmChannel()
  channel.on('error', () => {})
  return { connection, channel }
}

async function publish(channel: ConfirmChannel, queue: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) channel.sendToQueue(queue, Buffer.from('event'), { persistent: true })
  await channel.waitForConfirms()
}

/** Resolves when so many have come, which go back to the queue at the end: counts lag behind after a restart. */
async function receive(url: string, queue: string, count: number): Promise<void> {
  const { channel } = await openChannel(url)
  let received = 0
  await new Promise<void>((resolve, reject) => {
    channel.consume(queue, () => (++received === count ? resolve() : undefined)).catch(reject)
  })
  await channel.close()
}

const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } }

describeByWay('a RabbitMQ of our own', () => {
  it('keeps what it has confirmed through SIGKILL and restart', async () => {
    const server = await start()
    const { url } = server
    const { channel } = await openChannel(url)
    await channel.assertQueue('kept', quorum)
    await syncDeclarations(server)
    await publish(channel, 'kept', 100)
    const isThere = runningCheck(server)
    const processes = isProgram(server) ? descendants(server.pid) : []
    await server.kill()
    expect(await isThere()).toBe(false)
    expect(processes.filter(isAlive)).toEqual([])
    expect(server.isRunning).toBe(false)
    await server.restart()
    expect(server.url).toBe(url)
    await receive(url, 'kept', 100)

    await server.restart() // in order, since it runs
    await receive(url, 'kept', 100)
  })

  it('answers nothing while it is paused, and is governed by rabbitmqctl and the management API', async () => {
    const server = await start()
    const { connection, channel } = await openChannel(server.url)
    await channel.assertQueue('kept')
    await server.pause()
    const confirmed: string[] = []
    const asked = publish(channel, 'kept', 1).then(() => confirmed.push('confirmed'))
    await expect(connect(server.url, { timeout: 300 })).rejects.toThrow(/ETIMEDOUT|timeout/)
    expect(confirmed).toEqual([])
    await server.resume()
    await asked

    const blocked = new Promise(resolve => connection.once('blocked', resolve))
    await server.control('set_vm_memory_high_watermark', '0')
    channel.sendToQueue('kept', Buffer.from('event'))
    expect(await blocked).toMatch(/memory/)
    await expect(server.control('nonsense')).rejects.toThrow(
      "rabbitmqctl nonsense failed: Command 'nonsense' not found",
    )

    expect(await requestManagement(server.managementUrl, '/api/queues/%2F/kept')).toMatchObject({ name: 'kept' })
    const deletion = { method: 'DELETE' } as const
    expect(await requestManagement(server.managementUrl, '/api/queues/%2F/kept', deletion)).toBeUndefined()
    await expect(requestManagement(server.managementUrl, '/api/queues/%2F/kept')).rejects.toThrow(/answered 404 to GET/)
  })

  it('breaks the network by a proxy, takes clients by TLS, and can be looked at past both', async () => {
    const server = await start({ proxied: true, tls: true, plugins: ['rabbitmq_event_exchange'] })
    const [proxy] = server.proxies
    expect(server.url).toMatch(new RegExp(`^amqps://mekong:[0-9a-f]{32}@127\\.0\\.0\\.1:${proxy!.port}$`))
    await expect(connect(server.url)).rejects.toThrow(/certificate/)
    const { connection, channel } = await openChannel(server.url, { ca: [server.ca] })
    await channel.assertQueue('kept')
    await publish(channel, 'kept', 1)
    const closed = new Promise(resolve => connection.once('close', resolve))
    proxy!.cut()
    await closed
    await receive(server.directUrl, 'kept', 1)
    expect(await server.control('list_exchanges', '--silent', 'name')).toContain('amq.rabbitmq.event')
  })

  it('says why it does not come up', async () => {
    await expect(start({ settings: { 'listeners.tcp.1': 'nonsense' } })).rejects.toThrow(
      /RabbitMQ did not come up: it ended at once[^]*listeners.tcp.1[^]*MEKONG_RABBITMQ_URL/,
    )
    await expect(start({ startTimeoutMs: 0 })).rejects.toThrow('it took no connections within 0 ms')
  })
})
