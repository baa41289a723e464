import { connect as connectAmqp } from 'amqplib'
import { expect, inject, it, onTestFinished } from 'vitest'
import { requestManagement, sharedKafka, sharedRabbitMq, sharedRedis } from '../src/index.ts'
import { createServerCoordinator } from '../src/shared/server-coordinator.ts'
import { type SharedServerStarts, sharedServerStarts } from '../src/shared/shared-server-starts.ts'
import { openKafka } from './kafka-client.ts'
import { askRedis } from './redis-client.ts'

async function coordinate(starts: SharedServerStarts): Promise<Awaited<ReturnType<typeof createServerCoordinator>>> {
  const coordinator = await createServerCoordinator(starts)
  onTestFinished(() => coordinator.close())
  return coordinator
}

async function get(url: string): Promise<unknown> {
  const response = await fetch(url)
  return { status: response.status, text: await response.text() }
}

it('gives every suite a Kafka', async () => {
  const [one, other] = await Promise.all([sharedKafka(), sharedKafka()])
  expect(one).toEqual(other)
  const { admin } = await openKafka(one.url)
  expect((await admin.describeCluster()).brokers).toHaveLength(1)
})

it('gives every suite a RabbitMQ and its management', async () => {
  const { url, managementUrl } = await sharedRabbitMq()
  const connection = await connectAmqp(url)
  await connection.close()
  expect(await requestManagement(managementUrl, '/api/whoami')).toMatchObject({ tags: ['administrator'] })
})

it('gives every suite a Redis', async () => {
  expect(await askRedis((await sharedRedis()).url, 'PING')).toBe('+PONG\r\n')
})

it('does not tell strangers', async () => {
  expect(await get(`${inject('sharedServersUrl').replace(/[^/]+$/, 'guess')}/redis`)).toEqual({ status: 403, text: '' })
})

it('starts a server once, when it is asked for, and stops it at the end', async () => {
  const happened: string[] = []
  const coordinator = await coordinate({
    heron: () => {
      happened.push('started')
      return Promise.resolve({
        address: { url: 'heron://127.0.0.1' },
        stop: () => Promise.resolve(void happened.push('stopped')),
      })
    },
    unused: () => Promise.reject(new Error('nobody asks for it')),
  })
  expect(happened).toEqual([])
  const [one, other] = await Promise.all([get(`${coordinator.url}/heron`), get(`${coordinator.url}/heron`)])
  expect(one).toEqual({ status: 200, text: '{"url":"heron://127.0.0.1"}' })
  expect(other).toEqual(one)
  await coordinator.close()
  expect(happened).toEqual(['started', 'stopped'])
})

it('tells whoever asks why a server did not come up, when it was started before too', async () => {
  const coordinator = await coordinate({ heron: () => Promise.reject(new Error('Heron did not come up: no water')) })
  await coordinator.warm()
  expect(await get(`${coordinator.url}/heron`)).toEqual({ status: 500, text: 'Heron did not come up: no water' })
  expect(await get(`${coordinator.url}/stork`)).toEqual({ status: 500, text: 'There is no shared server stork' })
})

it('takes the servers that the environment names', async () => {
  const starts = sharedServerStarts({
    MEKONG_KAFKA_URL: 'kafka://one:9092,other:9092',
    MEKONG_RABBITMQ_URL: 'amqp://me:secret@rabbit/orders',
    MEKONG_REDIS_URL: 'redis://store',
  })
  const addresses = await Promise.all(Object.values(starts).map(async start => (await start()).address))
  expect(addresses.toSorted((one, other) => one.url.localeCompare(other.url))).toEqual([
    { url: 'amqp://me:secret@rabbit/orders', managementUrl: 'http://me:secret@rabbit:15672' },
    { url: 'kafka://one:9092,other:9092' },
    { url: 'redis://store' },
  ])
})
