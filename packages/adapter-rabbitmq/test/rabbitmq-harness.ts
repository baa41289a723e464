import { randomBytes } from 'node:crypto'
import { type Driver, parseBrokerUrl } from '@mekong/core/driver'
import type { RabbitMqServer } from '@mekong/stack'
import type { DriverHarness } from '@mekong/testing/conformance'
import { rabbitmq, type RabbitMqOptions } from '../src/index.ts'
import { optionsOfUrl } from '../src/rabbitmq-adapter.ts'
import type { RabbitMqConnections } from '../src/rabbitmq-driver.ts'

const run = randomBytes(3).toString('hex')
let topics = 0

/** A legal name that no other test has used. */
export function uniqueTopic(prefix: string): string {
  return `${prefix}-${run}-${++topics}`
}

/** Quick to come back, with few queues a group: a run of the kit declares hundreds. */
export function testOptions(url: string): RabbitMqOptions {
  return { ...optionsOfUrl(parseBrokerUrl(url)), queues: 3, reconnectDelayMs: 20, maxReconnectDelayMs: 200 }
}

/** Does to a broker of its own whatever the kit asks for; started with `proxied`. */
export function rabbitMqHarness(server: RabbitMqServer, options: Partial<RabbitMqOptions> = {}): DriverHarness {
  const [proxy] = server.proxies
  const drivers = new Set<Driver>()
  return {
    createDriver() {
      const driver = rabbitmq({ ...testOptions(server.url), ...options })
      drivers.add(driver)
      return driver
    },
    uniqueTopic,
    timeFactor: 2,
    faults: {
      connections: { cut: () => proxy!.refuse(), restore: () => proxy!.accept() },
      restartBroker: () => killAndRestart(server),
      revoke: {
        cannot: 'a queue has no owner: its active consumer changes by itself, when that one has nothing in hand',
      },
      async loseHandles() {
        for (const driver of drivers) closeChannels(driver.native as RabbitMqConnections)
      },
    },
    close: () => server.stop(),
  }
}

/** RabbitMQ writes down what was declared some seconds later; a kill before that loses the queue with what it confirmed. */
export async function killAndRestart(server: RabbitMqServer): Promise<void> {
  await server.control('eval', '[dets:sync(Table) || Table <- dets:all()], mnesia:sync_log().')
  await server.kill()
  await server.restart()
}

/** An acknowledgement that the broker does not know: it closes each channel and takes back what was delivered there. */
export function closeChannels(connections: RabbitMqConnections): void {
  for (const channel of consumingChannels(connections)) channel.ack({ fields: { deliveryTag: 999_999 } })
}

/** Behind the back of the driver. Resolves when the broker delivers no more. */
export async function cancelConsumers(connections: RabbitMqConnections): Promise<void> {
  for (const channel of consumingChannels(connections)) {
    for (const tag of channel.consumers.keys()) await channel.cancel(tag)
  }
}

function consumingChannels({ consuming }: RabbitMqConnections): readonly ConsumingChannel[] {
  const { channels = [] } = (consuming?.connection ?? {}) as {
    readonly channels?: readonly ({ readonly channel: Partial<ConsumingChannel> } | null)[]
  }
  return channels.slice(1).flatMap(open => (open?.channel.consumers?.size ? [open.channel as ConsumingChannel] : []))
}

interface ConsumingChannel {
  readonly consumers: ReadonlyMap<string, unknown>
  ack(message: { readonly fields: { readonly deliveryTag: number } }): void
  cancel(tag: string): Promise<unknown>
}
