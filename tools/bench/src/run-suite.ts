import { randomUUID } from 'node:crypto'
import { startChildProcess } from '@mekong/stack'
import type { Work } from './contender.ts'
import { rate, type Measurement, type Order } from './measurement.ts'
import { inTurn } from './statistics.ts'
import type { Suite, SuiteBroker, SuiteContender, SuiteMeasure } from './suite.ts'

export interface SuiteRun {
  readonly measure: SuiteMeasure
  /** One entry a round, by the module of the contender. */
  readonly rounds: readonly ReadonlyMap<string, Measurement>[]
}

export interface RunOptions {
  readonly rounds: number
  /** Multiplies the number of messages. */
  readonly scale: number
  readonly tell: (line: string) => void
}

const partitions = 6
const longestMs = 300_000

/** Measures all contenders in turn, each time in a fresh process and on a fresh topic of the same broker. */
export async function runSuite(suite: Suite, broker: SuiteBroker, options: RunOptions): Promise<readonly SuiteRun[]> {
  const runs: SuiteRun[] = []
  for (const measure of suite.measures) runs.push(await runMeasure(measure, broker, options))
  return runs
}

async function runMeasure(measure: SuiteMeasure, broker: SuiteBroker, options: RunOptions): Promise<SuiteRun> {
  const rounds: ReadonlyMap<string, Measurement>[] = []
  // The first round warms up broker and disk.
  for (let round = 0; round <= options.rounds; round++) {
    const results = new Map<string, Measurement>()
    for (const contender of inTurn(measure.contenders, round)) {
      const result = await measureContender(contender, measure, broker, options.scale)
      results.set(contender.module, result)
      const when = round === 0 ? 'warm-up' : `round ${round}`
      options.tell(`${measure.measure}, ${when}: ${result.name}: ${rate(result).toFixed(0)}/s`)
    }
    if (round > 0) rounds.push(results)
  }
  return { measure, rounds }
}

async function measureContender(
  { module, filledBy = module }: SuiteContender,
  { measure, messages }: SuiteMeasure,
  broker: SuiteBroker,
  scale: number,
): Promise<Measurement> {
  const topic = `bench.${randomUUID().slice(0, 8)}`
  const work = {
    url: broker.url,
    topic,
    group: `${topic}.group`,
    messages: Math.ceil(messages * scale),
    partitions,
  }
  await broker.declare?.(work)
  if (measure === 'consume') {
    await runContender(filledBy, 'publish', work)
    await expectStored(broker, work, filledBy)
  }
  const result = await runContender(module, measure, work)
  await (measure === 'consume' ? expectHandled : expectStored)(broker, work, module)
  await broker.drop(work)
  return result
}

async function runContender(module: string, measure: Order['measure'], work: Work): Promise<Measurement> {
  const order: Order = { module: new URL(`${module}.ts`, import.meta.url).href, measure, work }
  await using child = await startChildProcess(new URL('contender-process.ts', import.meta.url), {
    arguments: [JSON.stringify(order)],
    signalTimeoutMs: longestMs,
  })
  const measurement = await child.signal<Measurement>('measured')
  await child.untilExit()
  return measurement
}

/** A rate is worth nothing where messages are lost or stored twice, */
async function expectStored(broker: SuiteBroker, work: Work, module: string): Promise<void> {
  const left = await broker.left(work)
  if (left !== work.messages) throw new Error(`${module}: the broker stored ${left} messages, not ${work.messages}`)
}

/** nor where they are not acknowledged. */
async function expectHandled(broker: SuiteBroker, work: Work, module: string): Promise<void> {
  const left = await broker.left(work)
  if (left > broker.maxUnsettled) throw new Error(`${module}: ${left} messages are left that it has handled`)
}
