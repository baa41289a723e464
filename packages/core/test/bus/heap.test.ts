import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { createEventBus } from '../../src/create-event-bus.ts'
import { memoryIdempotency } from '../../src/idempotency/memory-idempotency.ts'
import { createMemoryBroker } from '../../src/memory/memory-broker.ts'

/** A million of them takes about a minute. */
const total = Number(process.env['MEKONG_EVENTS'] ?? 40_000)
const wave = 500
const keysAtOnce = 1000

/** What is left when everything that can be collected is. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

it(
  'keeps nothing of the events that went through, with keys that come and go, failures and held events',
  { timeout: 300_000 },
  async () => {
    const broker = createMemoryBroker({ maxMessages: 1000 })
    const bus = await createEventBus({
      service: 'stock',
      broker: broker.driver(),
      idempotency: memoryIdempotency({ maxEntries: 5000 }),
      consume: { holdPollMs: 10 },
    })
    let completed = 0
    let whenCompleted: () => void = () => undefined
    bus.subscribe(
      'order',
      (event, { attempt }) => {
        const number = event as number
        if (number % 100 === 0 && attempt === 1) throw new Error('once more')
        if (number % 1000 === 0 && attempt === 2) throw new Error('later')
        if (++completed % wave === 0) whenCompleted()
      },
      { retry: { immediate: 1, immediateDelayMs: 1, delayMs: 1, maxDelayMs: 1 } },
    )
    await bus.start()
    const publish = async (from: number, to: number): Promise<void> => {
      for (let first = from; first < to; first += wave) {
        const done = new Promise<void>(resolve => (whenCompleted = resolve))
        const events = Array.from({ length: wave }, (_, index) => first + index)
        // Ever new keys: those that are through must be forgotten.
        await bus.publishMany(
          events.map(data => ({
            type: 'order',
            data,
            options: { key: `${Math.floor(data / keysAtOnce)}-${data % 50}` },
          })),
        )
        await done
      }
    }

    await publish(0, total / 2)
    const before = heapBytes()
    await publish(total / 2, total)
    const grownBytes = heapBytes() - before
    await bus.close()
    expect(completed).toBe(total)
    // A single object kept of each event would be more.
    expect(grownBytes / (total / 2)).toBeLessThan(50)
  },
)
