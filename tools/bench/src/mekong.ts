import { createEventBus, defineContract, type EventBus } from '@mekong/core'
import { z } from 'zod'
import { type Contender, payload, type Payload, type Prepared, publishSingly, type Work } from './contender.ts'

const portion = 500

/** The bus as the documentation sets it up: a contract with a schema and a key, order by key, a handler for each event. */
export function mekong(name: string, urlOf: (url: string) => string): Contender {
  return {
    name,
    measures: {
      async publish(work) {
        const { eventBus, type, ...rest } = await open(work, urlOf)
        return { ...rest, run: () => publishAll(eventBus, type, work.messages) }
      },
      async 'publish-singles'(work) {
        const { eventBus, type, ...rest } = await open(work, urlOf)
        return {
          ...rest,
          run: () => publishSingly(work.messages, index => eventBus.publish(type, payload(index))),
        }
      },
      consume: work => consume(work, urlOf),
    },
  }
}

const schema = z.object({ id: z.string(), key: z.string(), total: z.number(), note: z.string() })

function contractOf(type: string) {
  return defineContract({ [type]: { key: ({ key }: Payload) => key, schema } })
}

async function publishAll(
  eventBus: EventBus<ReturnType<typeof contractOf>>,
  type: string,
  messages: number,
): Promise<void> {
  let next = 0
  const send = async (): Promise<void> => {
    while (next < messages) {
      const first = next
      next += portion
      const events = Array.from({ length: Math.min(portion, messages - first) }, (_, at) => ({
        type,
        data: payload(first + at),
      }))
      const results = await eventBus.publishMany(events)
      const failed = results.find(({ is }) => is === 'failed')
      if (failed?.is === 'failed') throw failed.error
    }
  }
  await Promise.all([send(), send()])
}

async function consume(work: Work, urlOf: (url: string) => string): Promise<Prepared> {
  const { eventBus, type, close } = await open(work, urlOf)
  await publishAll(eventBus, type, work.messages)
  await close()

  let handled = 0
  let total = 0
  let finish: () => void = () => undefined
  const all = new Promise<void>(resolve => (finish = resolve))
  const consumer = await createEventBus({
    service: 'consumer',
    broker: urlOf(work.url),
    contract: contractOf(type),
    topology: 'create',
  })
  consumer.subscribe(type, event => {
    total += event.total
    if (++handled === work.messages) finish()
  })
  return {
    async run() {
      await consumer.start()
      await all
      // Closing sends what is acknowledged and not yet committed.
      await consumer.close()
    },
    verify: async () => (total === (work.messages * (work.messages - 1)) / 2 ? handled : 0),
    close: async () => undefined,
  }
}

/** A bus that publishes, and a group that gets what it publishes. */
async function open({ url, topic, messages, partitions }: Work, urlOf: (url: string) => string) {
  const type = topic.replace('-', '.')
  const options = {
    broker: urlOf(url),
    contract: contractOf(type),
    topology: 'create',
    topics: { [type]: { partitions } },
  } as const
  // Declares the group, so that what is published waits for it.
  const group = await createEventBus({ ...options, service: 'consumer' })
  group.subscribe(type, () => undefined)
  await group.start()
  await group.close()

  const eventBus = await createEventBus({ ...options, service: 'publisher' })
  await eventBus.start()
  return {
    eventBus,
    type,
    verify: async () => messages, // each was confirmed, else run would have thrown
    close: () => eventBus.close(),
  }
}
