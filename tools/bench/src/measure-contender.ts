import { randomUUID } from 'node:crypto'
import { startChildProcess } from '@mekong/stack'
import type { Measure, Work } from './contender.ts'
import type { Measurement, Order } from './measurement.ts'
import type { SuiteBroker, SuiteContender, SuiteMeasure } from './suite.ts'

const partitions = 6
const longestMs = 300_000

export interface OneMeasure {
  readonly measure: SuiteMeasure
  readonly contender: SuiteContender
  readonly scale: number
  /** What all consume, on a broker that keeps it. */
  readonly filled: Work | undefined
}

/**
 * One contender in a fresh process, with a group and, unless one is filled for all, a topic of its own.
 * @throws Error when not every message is stored once, or handled once and acknowledged: its rate were worth nothing
 */
export async function measureContender(broker: SuiteBroker, one: OneMeasure): Promise<Measurement> {
  const { measure, contender, scale, filled } = one
  const messages = Math.ceil((contender.messages ?? measure.messages) * scale)
  const work = filled === undefined ? newWork(broker, messages) : { ...filled, group: newName() }
  if (measure.measure !== 'consume') {
    await broker.declare?.(work)
    const result = await runContender(contender.module, measure.measure, work)
    await expectStored(broker, work, contender.module)
    await broker.drop(work)
    return result
  }
  if (filled === undefined) await publishFor(broker, contender.module, work)
  const result = await runContender(contender.module, 'consume', work)
  await expectHandled(broker, work, contender.module)
  if (filled === undefined) await broker.drop(work)
  return result
}

/** A topic that this module has filled, for all to consume. */
export async function fill(broker: SuiteBroker, module: string, messages: number): Promise<Work> {
  const work = newWork(broker, messages)
  await publishFor(broker, module, work)
  return work
}

async function publishFor(broker: SuiteBroker, module: string, work: Work): Promise<void> {
  await broker.declare?.(work)
  await runContender(module, 'publish', work)
  await expectStored(broker, work, module)
}

function newName(): string {
  return `bench.${randomUUID().slice(0, 8)}`
}

function newWork({ url }: SuiteBroker, messages: number): Work {
  return { url, topic: newName(), group: newName(), messages, partitions }
}

async function runContender(module: string, measure: Measure, work: Work): Promise<Measurement> {
  const order: Order = { module: new URL(`${module}.ts`, import.meta.url).href, measure, work }
  await using child = await startChildProcess(new URL('contender-process.ts', import.meta.url), {
    arguments: [JSON.stringify(order)],
    signalTimeoutMs: longestMs,
  })
  const measurement = await child.signal<Measurement>('measured')
  await child.untilExit()
  return measurement
}

async function expectStored(broker: SuiteBroker, work: Work, module: string): Promise<void> {
  const stored = await broker.stored(work)
  if (stored !== work.messages) throw new Error(`${module}: the broker stored ${stored} messages, not ${work.messages}`)
}

async function expectHandled(broker: SuiteBroker, work: Work, module: string): Promise<void> {
  const left = await broker.left(work)
  if (left > broker.maxUnsettled) throw new Error(`${module}: ${left} messages are left that it has handled`)
}
