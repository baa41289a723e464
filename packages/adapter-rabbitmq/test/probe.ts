import { connect, type Channel, type ChannelModel } from 'amqplib'
import {
  parseBrokerUrl,
  type Consumer,
  type ConsumerStatus,
  type Driver,
  type Fate,
  type Incoming,
  type Outgoing,
  type Partition,
  type SubscribeOptions,
} from '@mekong/core/driver'
import { expect, onTestFinished } from 'vitest'
import { rabbitmq, type RabbitMqOptions } from '../src/index.ts'
import { resolveRabbitMqOptions } from '../src/rabbitmq-driver-options.ts'
import { optionsOfUrl } from '../src/rabbitmq-adapter.ts'
import { testOptions } from './rabbitmq-harness.ts'

/** Closed when the test is over. */
export function openDriver(url: string, options: Partial<RabbitMqOptions> = {}): Driver {
  const driver = rabbitmq({ ...testOptions(url), ...options })
  onTestFinished(() => driver.close())
  return driver
}

/** The broker without the driver under test; closed when the test is over. */
export async function openBroker(url: string): Promise<{ readonly model: ChannelModel; readonly channel: Channel }> {
  const { connection } = resolveRabbitMqOptions(optionsOfUrl(parseBrokerUrl(url)))
  const model = await connect(connection.endpoints[0]!, connection.socket)
  model.on('error', () => {})
  const channel = await model.createChannel()
  channel.on('error', () => {})
  onTestFinished(() => model.close().catch(() => {}))
  return { model, channel }
}

export interface Declared {
  readonly ordered?: boolean
  readonly queues?: number
  readonly groups?: readonly string[]
}

/** Creates the topic with its groups, and expects it to be as wished. */
export async function declare(driver: Driver, topic: string, wished: Declared = {}): Promise<void> {
  const { ordered = false, queues, groups = ['inventory'] } = wished
  const wish = {
    topics: [{ name: topic, ordered, partitions: queues, retentionMs: undefined }],
    groups: groups.map(name => ({ name, topics: [topic] })),
  }
  expect(await driver.topology(wish, 'create')).toEqual([])
}

export function event(topic: string, body: string, more: Partial<Outgoing> = {}): Outgoing {
  const headers = { 'ce-specversion': '1.0', 'ce-id': body, 'ce-source': 'test', 'ce-type': 'tested' }
  return { topic, key: undefined, headers, body: Buffer.from(body), delayMs: 0, until: 'stored', ...more }
}

export async function publish(
  driver: Driver,
  events: readonly Outgoing[],
  timeoutMs = 10_000,
): Promise<readonly Fate[]> {
  return driver.publish(events, timeoutMs)
}

/** Every one of them. */
export async function store(driver: Driver, events: readonly Outgoing[]): Promise<void> {
  const fates = await publish(driver, events)
  expect(fates.filter(({ is }) => is !== 'stored')).toEqual([])
}

/** A consumer with nothing of the bus around it, which writes down what it hears. */
export interface Probe {
  readonly consumer: Consumer
  readonly messages: Incoming[]
  readonly statuses: ConsumerStatus[]
  readonly assigned: ReadonlySet<Partition>
  readonly lost: Incoming[]
  bodies(): readonly string[]
  /** Asks again after everything that happens. */
  until(what: string, look: () => boolean, withinMs?: number): Promise<void>
}

export interface ProbeOptions extends Partial<SubscribeOptions> {
  readonly topic: string
  readonly ordered?: boolean
  /** What it does with each message; by default it acknowledges. */
  readonly onMessage?: (message: Incoming, consumer: Consumer) => void
}

let members = 0

export async function consume(driver: Driver, options: ProbeOptions): Promise<Probe> {
  const { topic, ordered = false, onMessage = acknowledge, ...subscribe } = options
  const messages: Incoming[] = []
  const statuses: ConsumerStatus[] = []
  const assigned = new Set<Partition>()
  const lost: Incoming[] = []
  const waiting = new Set<() => void>()
  const happened = (): void => {
    for (const check of waiting) check()
  }
  let settle: (batch: readonly Incoming[]) => void = batch => early.push(...batch)
  const early: Incoming[] = []
  const consumer = await driver.subscribe(
    {
      group: 'inventory',
      member: `member-${++members}`,
      topics: [{ topic, ordered }],
      window: 100,
      from: 'earliest',
      ...subscribe,
    },
    {
      assigned: async partition => void assigned.add(partition),
      revoked: async partition => {
        assigned.delete(partition)
        happened()
      },
      messages(batch) {
        messages.push(...batch)
        settle(batch)
        happened()
      },
      lost(batch) {
        lost.push(...batch)
        happened()
      },
      status(status) {
        statuses.push(status)
        happened()
      },
    },
  )
  settle = batch => {
    for (const message of batch) onMessage(message, consumer)
  }
  settle(early)
  onTestFinished(() => consumer.close())
  return {
    consumer,
    messages,
    statuses,
    assigned,
    lost,
    bodies: () => messages.map(bodyOf),
    until: (what, look, withinMs = 20_000) =>
      new Promise((resolve, reject) => {
        const end = (): void => {
          clearTimeout(timer)
          waiting.delete(check)
        }
        const check = (): void => {
          if (!look()) return
          end()
          resolve()
        }
        const timer = setTimeout(() => {
          end()
          reject(new Error(`waited ${withinMs} ms in vain until ${what}; there is ${messages.map(bodyOf).join(' ')}`))
        }, withinMs)
        waiting.add(check)
        check()
      }),
  }
}

/** Of several members: whichever hears of it. */
export async function untilAny(
  probes: readonly Probe[],
  what: string,
  look: () => boolean,
  withinMs?: number,
): Promise<void> {
  await Promise.any(probes.map(probe => probe.until(what, look, withinMs)))
}

export function bodyOf(message: Incoming): string {
  return Buffer.from(message.body).toString()
}

export function acknowledge(message: Incoming, consumer: Consumer): void {
  consumer.settle([message], { is: 'acknowledge', durable: true })
}

/** Nobody settles. */
export function keep(): void {}
