// The process of one contender for one measurement: prepares, runs, counts, and announces what it took.
import { announce } from '@mekong/stack'
import type { Contender } from './contender.ts'
import type { Measurement, Order } from './measurement.ts'

const { module, measure, work } = JSON.parse(process.argv[2] ?? '') as Order
const { contender } = (await import(module)) as { readonly contender: Contender }
const prepare = contender.measures[measure]
if (prepare === undefined) throw new Error(`${contender.name} has no measure ${measure}`)

const prepared = await prepare(work)
const cpuBefore = process.cpuUsage()
const before = performance.now()
await prepared.run()
const tookMs = performance.now() - before
const { user, system } = process.cpuUsage(cpuBefore)

const messages = await prepared.verify()
if (messages < work.messages)
  throw new Error(`${contender.name}: only ${messages} of ${work.messages} messages arrived`)
await announce('measured', {
  name: contender.name,
  messages: work.messages,
  tookMs,
  cpuMs: (user + system) / 1000,
} satisfies Measurement)
await prepared.close()
process.exit(0)
