import type { Driver, Fate, Incoming, Sink } from '../src/driver.ts'
import { headerView } from '../src/driver.ts'

export interface Load {
  readonly type: string
  readonly keys: number
  readonly data: unknown
  readonly count: number
}

/** Answers at once and keeps nothing: what is measured on it is the bus. */
export interface IdleBroker {
  readonly driver: Driver
  /** New messages. */
  make(load: Load): readonly Incoming[]
  /** Hands them over together; resolves when all of them are settled. */
  deliver(batch: readonly Incoming[]): Promise<void>
}

const stored: Fate = { is: 'stored' }

export function idleBroker(): IdleBroker {
  const partitions = new Map<string, { topic: string; id: string; epoch: number }>()
  let sink: Sink | undefined
  let unsettled = 0
  let made = 0
  let whenSettled = (): void => undefined

  const driver: Driver = {
    name: 'idle',
    native: undefined,
    capabilities: {
      affinity: 'partition',
      sameKeyBatch: 'together',
      redeliver: { maxDelayMs: 0, blocks: 'nothing', keepsPlace: false },
      maxUnsettledMs: 600_000,
      publishDelayMs: 0,
      durable: true,
      backstop: false,
      replay: 'none',
      headers: { max: 1000, binary: true },
      maxBytes: 1_000_000,
      batch: { entries: 1000, bytes: 4_000_000 },
      topicName: /^[\w.-]+$/,
    },
    partitionOf: ({ topic }) => topic,
    classify: () => 'transient',
    topology: async () => [],
    publish: async batch => batch.map(() => stored),
    async subscribe({ topics }, given) {
      sink = given
      for (const { topic } of topics) {
        const partition = { topic, id: '0', epoch: 1 }
        partitions.set(topic, partition)
        await given.assigned(partition)
      }
      return {
        settle(batch) {
          unsettled -= batch.length
          if (unsettled === 0) whenSettled()
        },
        pause: () => undefined,
        resume: () => undefined,
        extend: async () => undefined,
        seek: async () => undefined,
        lag: async () => new Map(),
        stop: async () => undefined,
        close: async () => undefined,
      }
    },
    close: async () => undefined,
  }

  return {
    driver,
    make({ type, keys, data, count }) {
      const partition = partitions.get(type)!
      const body = Buffer.from(JSON.stringify(data))
      return Array.from({ length: count }, () => {
        const number = ++made
        const key = `key ${number % keys}`
        const headers = headerView({
          'ce-specversion': '1.0',
          'ce-id': `event ${number}`,
          'ce-source': 'bench',
          'ce-type': type,
          'ce-time': '2026-01-01T00:00:00.000Z',
          'ce-schemaversion': '1',
          'ce-correlationid': `event ${number}`,
          'ce-partitionkey': key,
          'content-type': 'application/json',
        })
        return { partition, position: String(number), key, body, headers, deliveries: undefined, messageId: undefined }
      })
    },
    deliver(batch) {
      unsettled = batch.length
      const settled = new Promise<void>(resolve => (whenSettled = resolve))
      sink!.messages(batch)
      return settled
    },
  }
}
