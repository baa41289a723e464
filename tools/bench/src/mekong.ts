import { createEventBus, defineContract } from '@mekong/core'
import { publishPortions, publishSingly } from './callers.ts'
import type { Contender, Prepared, Work } from './contender.ts'
import { type Payload, payloadSchema } from './payload.ts'
import { createTally } from './tally.ts'

/**
 * The bus as the documentation sets it up: a contract with a schema and a key, order by key, a handler, and what was
 * handled remembered in memory.
 */
export function mekong(name: string, urlOf: (url: string) => string): Contender {
  return {
    name,
    measures: {
      async publish(work) {
        const { eventBus, close } = await openPublisher(work, urlOf)
        return { close, run: () => publishPortions(work.messages, events => publishAll(eventBus, work.topic, events)) }
      },
      async 'publish-singles'(work) {
        const { eventBus, close } = await openPublisher(work, urlOf)
        return { close, run: () => publishSingly(work.messages, event => eventBus.publish(work.topic, event)) }
      },
      consume: work => consume(work, urlOf),
    },
  }
}

async function createBus(service: string, { url, topic, partitions }: Work, urlOf: (url: string) => string) {
  return createEventBus({
    service,
    broker: urlOf(url),
    contract: defineContract({ [topic]: { key: ({ key }: Payload) => key, schema: payloadSchema } }),
    topology: 'create',
    topics: url.startsWith('kafka') ? { [topic]: { partitions } } : {},
    // Where a group is not declared before, it begins with what is there.
    from: url.startsWith('kafka') ? 'earliest' : 'latest',
  })
}

type Bus = Awaited<ReturnType<typeof createBus>>

/** A publisher, and a group that gets what it publishes. */
async function openPublisher(work: Work, urlOf: (url: string) => string) {
  const group = await createBus(work.group, work, urlOf)
  group.subscribe(work.topic, () => undefined)
  await group.start()
  await group.close()
  const eventBus = await createBus('publisher', work, urlOf)
  await eventBus.start()
  return { eventBus, close: () => eventBus.close() }
}

async function publishAll(eventBus: Bus, type: string, events: readonly Payload[]): Promise<void> {
  const results = await eventBus.publishMany(events.map(data => ({ type, data })))
  for (const result of results) if (result.is === 'failed') throw result.error
}

async function consume(work: Work, urlOf: (url: string) => string): Promise<Prepared> {
  const { handle, all } = createTally(work.messages)
  const eventBus = await createBus(work.group, work, urlOf)
  eventBus.subscribe(work.topic, handle)
  return {
    async run() {
      await eventBus.start()
      await all
      // Tells the broker of everything that is handled.
      await eventBus.close()
    },
    close: () => Promise.resolve(),
  }
}
