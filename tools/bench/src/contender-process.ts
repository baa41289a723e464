// The process of one contender for one measurement: prepares, runs, and announces what it took.
import { announce } from '@mekong/stack'
import type { Contender } from './contender.ts'
import type { Measurement, Order } from './measurement.ts'
import { stopwatch } from './stopwatch.ts'

const { module, measure, work } = JSON.parse(process.argv[2] ?? '') as Order
const { contender } = (await import(module)) as { readonly contender: Contender }
const prepare = contender.measures[measure]
if (prepare === undefined) throw new Error(`${contender.name} has no measure ${measure}`)

const { run, close } = await prepare(work)
stopwatch.start()
await run()
const took = stopwatch.read()
await close()

const measurement: Measurement = { name: contender.name, messages: work.messages, ...took }
await announce('measured', measurement)
// Some clients keep timers that would hold the process.
process.exit(0)
