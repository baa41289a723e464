import { EventEmitter, once } from 'node:events'
import { parseBrokerUrl } from '@mekong/core/driver'
import type {
  Consumer,
  ConsumerStatus,
  Driver,
  Incoming,
  Outgoing,
  Partition,
  SubscribeOptions,
} from '@mekong/core/driver'
import { sharedKafka } from '@mekong/stack'
import kafkajs, { type Admin, type Kafka } from 'kafkajs'
import { kafka, type KafkaOptions } from '../../src/index.ts'

const WITHIN_MS = 20_000
const run = Date.now().toString(36)
let names = 0

export function unique(prefix: string): string {
  return `${prefix}-${run}-${process.pid}-${++names}`
}

/** One Kafka with everything that a test opens on it, closed together. */
export class KafkaBench implements AsyncDisposable {
  readonly brokers: readonly string[]
  readonly kafkajs: Kafka
  readonly #endings: (() => Promise<unknown>)[] = []
  #admin: Promise<Admin> | undefined

  constructor(brokers: readonly string[]) {
    this.brokers = brokers
    this.kafkajs = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  }

  static async shared(): Promise<KafkaBench> {
    const { hosts } = parseBrokerUrl((await sharedKafka()).url)
    return new KafkaBench(hosts.map(({ host, port = 9092 }) => `${host}:${port}`))
  }

  driver(options: Partial<KafkaOptions> = {}): Driver {
    const consume = { heartbeatIntervalMs: 100, commitIntervalMs: 50, ...options.consume }
    const driver = kafka({ brokers: this.brokers, ...options, consume })
    this.onClose(() => driver.close())
    return driver
  }

  async topic(partitions = 1, configuration: Readonly<Record<string, string>> = {}): Promise<string> {
    const name = unique('events')
    await this.createTopic(name, partitions, configuration)
    return name
  }

  /** Resolves when it is known with its leaders: kafkajs' own wait for that fails when another node is asked. */
  async createTopic(name: string, partitions = 1, configuration: Readonly<Record<string, string>> = {}): Promise<void> {
    const driver = kafka({ brokers: this.brokers, topics: [{ match: name, configuration }] })
    const topics = [{ name, ordered: true, partitions, retentionMs: undefined }]
    await driver.topology({ topics, groups: [] }, 'create')
    await driver.close()
  }

  admin(): Promise<Admin> {
    this.#admin ??= this.#openAdmin()
    return this.#admin
  }

  /** What the group has committed of one partition; -1: nothing. */
  async committed(group: string, topic: string, partition = 0): Promise<number> {
    const [found] = await (await this.admin()).fetchOffsets({ groupId: group, topics: [topic] })
    return Number(found?.partitions.find(one => one.partition === partition)?.offset ?? -1)
  }

  async probe(driver: Driver, options: ProbeOptions): Promise<Probe> {
    const probe = new Probe(driver)
    await probe.subscribe(options)
    this.onClose(() => probe.consumer.close())
    return probe
  }

  onClose(end: () => Promise<unknown>): void {
    this.#endings.unshift(end)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#endings) await end()
  }

  async #openAdmin(): Promise<Admin> {
    const admin = this.kafkajs.admin()
    await admin.connect()
    this.onClose(() => admin.disconnect())
    return admin
  }
}

export interface ProbeOptions extends Partial<Omit<SubscribeOptions, 'topics'>> {
  readonly topics: readonly string[]
  /** Settle as soon as it is handed over. @default true */
  readonly settles?: boolean
  /** What a drain waits for. */
  readonly drain?: () => Promise<void>
  readonly onAssigned?: () => Promise<void>
  readonly onMessages?: (batch: readonly Incoming[]) => void
}

/** A consumer with nothing of the bus around it. */
export class Probe {
  readonly messages: Incoming[] = []
  readonly assigned = new Set<Partition>()
  readonly revoked: { readonly partition: Partition; readonly how: 'drain' | 'lost' }[] = []
  readonly lost: Incoming[] = []
  readonly statuses: ConsumerStatus[] = []
  /** The largest batch that was handed over. */
  largest = 0
  consumer!: Consumer
  readonly #driver: Driver
  readonly #news = new EventEmitter()

  constructor(driver: Driver) {
    this.#driver = driver
  }

  async subscribe({ topics, settles = true, drain, onAssigned, onMessages, ...options }: ProbeOptions): Promise<void> {
    const subscribe = {
      group: unique('group'),
      member: unique('member'),
      window: 1000,
      from: 'earliest' as const,
      ...options,
    }
    const ordered = topics.map(topic => ({ topic, ordered: true }))
    this.consumer = await this.#driver.subscribe(
      { ...subscribe, topics: ordered },
      {
        assigned: async partition => {
          await onAssigned?.()
          this.assigned.add(partition)
          this.#news.emit('news')
        },
        revoked: async (partition, how) => {
          if (how === 'drain') await drain?.()
          this.assigned.delete(partition)
          this.revoked.push({ partition, how })
          this.#news.emit('news')
        },
        messages: batch => {
          this.messages.push(...batch)
          this.largest = Math.max(this.largest, batch.length)
          onMessages?.(batch)
          if (settles) queueMicrotask(() => this.settle(batch))
          this.#news.emit('news')
        },
        lost: batch => void this.lost.push(...batch),
        status: status => {
          this.statuses.push(status)
          this.#news.emit('news')
        },
      },
    )
  }

  settle(batch: readonly Incoming[]): void {
    this.consumer.settle(batch, { is: 'acknowledge', durable: true })
  }

  get bodies(): readonly string[] {
    return this.messages.map(bodyOf)
  }

  get status(): ConsumerStatus | undefined {
    return this.statuses.at(-1)
  }

  /** Waits until it holds, looked at whenever something is heard. */
  async until(what: string, holds: (probe: Probe) => boolean): Promise<void> {
    const signal = AbortSignal.timeout(WITHIN_MS)
    while (!holds(this)) {
      try {
        await once(this.#news, 'news', { signal })
      } catch (cause) {
        const state = JSON.stringify({
          bodies: this.bodies.slice(-20),
          status: this.status,
          revoked: this.revoked.length,
        })
        throw new Error(`not within ${WITHIN_MS} ms: ${what}; ${state}`, { cause })
      }
    }
  }

  untilBodies(bodies: readonly string[]): Promise<void> {
    return this.until(`${bodies.length} messages`, ({ bodies: got }) => bodies.every(body => got.includes(body)))
  }

  untilAssigned(count: number): Promise<void> {
    return this.until(`${count} partitions are assigned`, ({ assigned }) => assigned.size === count)
  }
}

export function bodyOf({ body }: Incoming): string {
  return Buffer.from(body).toString()
}

export function outgoing(topic: string, body: string, key?: string): Outgoing {
  const headers = { 'ce-specversion': '1.0', 'ce-id': body, 'ce-source': 'test', 'ce-type': 'order.created' }
  return { topic, key, headers, body: Buffer.from(body), delayMs: 0, until: 'stored' }
}

/** Asks again and again for what nothing tells. */
export async function untilAsked<T>(what: string, ask: () => Promise<T | false | undefined>): Promise<T> {
  const until = performance.now() + WITHIN_MS
  for (;;) {
    const answer = await ask()
    if (answer !== false && answer !== undefined) return answer
    if (performance.now() > until) throw new Error(`not within ${WITHIN_MS} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 25))
  }
}
