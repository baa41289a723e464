// The process of one contender for one measurement: prepares, runs, and announces what it took.
import { announce } from '@mekong/stack'
import type { Contender } from './contender.ts'
import type { Measurement, Order } from './measurement.ts'

const { module, measure, work } = JSON.parse(process.argv[2] ?? '') as Order
const { contender } = (await import(module)) as { readonly contender: Contender }
const prepare = contender.measures[measure]
if (prepare === undefined) throw new Error(`${contender.name} has no measure ${measure}`)

const { run, close } = await prepare(work)
const cpuBefore = process.cpuUsage()
const before = performance.now()
await run()
const tookMs = performance.now() - before
const { user, system } = process.cpuUsage(cpuBefore)
await close()

const measurement: Measurement = {
  name: contender.name,
  messages: work.messages,
  tookMs,
  cpuMs: (user + system) / 1000,
}
await announce('measured', measurement)
// Some clients keep timers that would hold the process.
process.exit(0)
