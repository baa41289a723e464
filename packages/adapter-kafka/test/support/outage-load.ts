import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { createEventBus, isMekongError, type ErrorCode, type StandardSchema } from '@mekong/core'
import kafkajs from 'kafkajs'
import { kafka } from '../../src/index.ts'

const KEYS = Array.from({ length: 8 }, (_, index) => `key-${index}`)
const PARTITIONS = 3
const BETWEEN_MS = 20

interface Numbered {
  readonly key: string
  readonly number: number
}

/** Takes what it gets. */
const numbered: StandardSchema<Numbered, Numbered> = {
  '~standard': { version: 1, vendor: 'test', validate: value => ({ value: value as Numbered }) },
}

/** A publisher with one publish of each key under way at any time, and a consumer. */
export interface OutageLoad {
  /** Resolves when so many more events of each key are confirmed. */
  confirmed(count: number): Promise<void>
  /** Resolves when everything is handled that is confirmed now. */
  caughtUp(): Promise<void>
  /** Publishes no more. Resolves with what was confirmed, when the last publishes are. */
  end(): Promise<Numbers>
  /** Resolves with what was handled, in its order, when that is as much as was confirmed. */
  handled(): Promise<Numbers>
  /** What the log holds, read by a client that has no part in this. */
  stored(): Promise<Numbers>
  close(): Promise<void>
}

const unsettled: ReadonlySet<ErrorCode> = new Set(['PUBLISH_UNKNOWN', 'PUBLISH_NOT_SENT'])

/** The numbers of the events by key. */
export type Numbers = ReadonlyMap<string, readonly number[]>

export async function startOutageLoad(
  brokers: readonly string[],
  client: 'kafkajs' | 'platformatic',
): Promise<OutageLoad> {
  const type = `outage.${client}.${randomUUID()}`
  const eventBus = await createEventBus({
    service: `outage-${client}`,
    contract: { [type]: { key: event => event.key, schema: numbered } },
    broker: kafka({ brokers, client }),
    topology: 'create',
    topics: { [type]: { partitions: PARTITIONS } },
    from: 'earliest',
    // A send gets a third of it, so that an outage of some seconds leaves sends of unknown fate.
    publish: { timeoutMs: 6000 },
  })
  const acknowledged = new Map(KEYS.map(key => [key, [] as number[]]))
  const handled = new Map(KEYS.map(key => [key, [] as number[]]))
  const waiting = new Set<() => void>()
  const when = (isTrue: () => boolean): Promise<void> =>
    new Promise(resolve => {
      const look = (): void => {
        if (!isTrue()) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  const tell = (): void => waiting.forEach(look => look())

  eventBus.subscribe(type, async event => {
    const { key, number } = event
    handled.get(key)!.push(number)
    tell()
  })
  await eventBus.start()

  let isRunning = true
  const publishing = Promise.all(
    KEYS.map(async key => {
      for (let number = 1; isRunning; number++) {
        while (!(await isPublished({ key, number }))) await pause(BETWEEN_MS)
        acknowledged.get(key)!.push(number)
        tell()
        await pause(BETWEEN_MS)
      }
    }),
  )

  // Ends only by an error: what is published goes on until `end`.
  const failing = publishing.then(() => new Promise<never>(() => undefined))
  failing.catch(() => undefined)

  /** What nobody knows the fate of is published again as the same event. */
  async function isPublished(event: Numbered): Promise<boolean> {
    const idempotencyKey = `${event.key} ${event.number}`
    try {
      await eventBus.publish(type, event, { idempotencyKey })
      return true
    } catch (error) {
      if (isMekongError(error) && unsettled.has(error.code)) return false
      throw error
    }
  }

  function caughtUp(): Promise<void> {
    const wanted = Array.from(acknowledged, ([key, { length }]) => ({ handled: handled.get(key)!, length }))
    return when(() => wanted.every(({ handled, length }) => handled.length >= length))
  }

  return {
    confirmed(count) {
      const wanted = new Map(Array.from(acknowledged, ([key, numbers]) => [key, numbers.length + count]))
      const isThere = when(() => Array.from(acknowledged).every(([key, numbers]) => numbers.length >= wanted.get(key)!))
      return Promise.race([isThere, failing])
    },
    async end() {
      isRunning = false
      await publishing
      return acknowledged
    },
    caughtUp,
    async handled() {
      await caughtUp()
      return handled
    },
    stored: () => readLog(brokers, type),
    close: () => eventBus.close(),
  }
}

async function readLog(brokers: readonly string[], topic: string): Promise<Numbers> {
  const client = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  let left = ends.reduce((sum, { high }) => sum + Number(high), 0)
  const numbers = new Map(KEYS.map(key => [key, [] as number[]]))
  const consumer = client.consumer({ groupId: `judge-${randomUUID()}` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: kafkajs.EachMessagePayload): Promise<void> => {
      const { key, number } = JSON.parse(message.value!.toString()) as Numbered
      numbers.get(key)!.push(number)
      if (--left === 0) resolve()
    }
    consumer.run({ eachMessage }).catch(reject)
  })
  await consumer.disconnect()
  return numbers
}
