// What the bus itself costs a message: CPU time with a driver that does nothing, beside the JSON work alone.
// Short rounds in turn, and the median of them, so that other load on the machine matters little.
// Run: node --conditions=mekong-source packages/core/bench/own-work.ts [rounds] [publish|consume]
import { createEventBus } from '../src/index.ts'
import { idleBroker } from './idle-broker.ts'

const rounds = Number(process.argv[2] ?? 20)
const only = process.argv[3]
const messages = 20_000
const together = 100
const data = { orderId: 'order-1', lines: [{ sku: 'a-1', quantity: 1 }], note: 'x'.repeat(128) }

const broker = idleBroker()
const eventBus = await createEventBus({
  service: 'bench',
  broker: broker.driver,
  topology: 'create',
})
let handled = 0
eventBus.subscribe('keyed', async () => void handled++, { order: 'key' })
eventBus.subscribe('unkeyed', async () => void handled++, { order: 'none' })
await eventBus.start()

let published = 0
const publish = async (keys: number | undefined): Promise<void> => {
  for (let sent = 0; sent < messages; sent += together) {
    await Promise.all(
      Array.from({ length: together }, (_, index) =>
        eventBus.publish('keyed', data, keys === undefined ? {} : { key: `key ${(published + index) % keys}` }),
      ),
    )
    published += together
  }
}

const consume = (type: string, keys: number): (() => Promise<void>) => {
  const batches = Array.from({ length: messages / 500 }, () => broker.make({ type, keys, data, count: 500 }))
  return async () => {
    for (const batch of batches) await broker.deliver(batch)
  }
}

const encoded = Buffer.from(JSON.stringify(data))
/** Each prepares what is not measured, and gives what is. */
const ways: Readonly<Record<string, () => () => unknown>> = {
  'stringify alone': () => () => {
    for (let index = 0; index < messages; index++) Buffer.from(JSON.stringify(data))
  },
  'publish, 100 in flight': () => () => publish(undefined),
  'publish, 100 in flight, 1000 keys': () => () => publish(1000),
  'parse alone': () => () => {
    for (let index = 0; index < messages; index++) JSON.parse(encoded.toString())
  },
  'consume without order': () => consume('unkeyed', 1000),
  'consume in lanes, 1000 keys': () => consume('keyed', 1000),
  'consume in lanes, 10 keys': () => consume('keyed', 10),
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const names = Object.keys(ways).filter(name => only === undefined || name.includes(only))
const measured = new Map(names.map(name => [name, [] as number[]]))
for (let round = -3; round < rounds; round++) {
  for (const name of names) {
    const run = ways[name]!()
    const before = process.cpuUsage()
    await run()
    const { user, system } = process.cpuUsage(before)
    if (round >= 0) measured.get(name)!.push((user + system) / messages)
  }
}
for (const [name, costs] of measured) {
  const [least, most] = [Math.min(...costs), Math.max(...costs)]
  console.log(
    `${name.padEnd(36)} ${median(costs).toFixed(2).padStart(6)} µs  (${least.toFixed(2)} to ${most.toFixed(2)})`,
  )
}
await eventBus.close()
