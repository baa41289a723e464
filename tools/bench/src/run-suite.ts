import { randomUUID } from 'node:crypto'
import { startChildProcess } from '@mekong/stack'
import type { Measurement, Order } from './measurement.ts'
import { inTurn } from './statistics.ts'
import type { Suite, SuiteMeasure } from './suite.ts'

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

/** Measures all contenders in turn, each time in a fresh process on the same broker and a fresh topic. */
export async function runSuite(suite: Suite, options: RunOptions): Promise<readonly SuiteRun[]> {
  await using server = await suite.start()
  const runs: SuiteRun[] = []
  for (const measure of suite.measures) runs.push(await runMeasure(measure, server.url, options))
  return runs
}

async function runMeasure(measure: SuiteMeasure, url: string, { rounds, scale, tell }: RunOptions): Promise<SuiteRun> {
  const measured: ReadonlyMap<string, Measurement>[] = []
  // The first round warms up broker and disk.
  for (let round = 0; round <= rounds; round++) {
    const results = new Map<string, Measurement>()
    for (const { module } of inTurn(measure.contenders, round)) {
      const work = {
        url,
        topic: `bench-${randomUUID().slice(0, 8)}`,
        messages: Math.ceil(measure.messages * scale),
        partitions,
        durable: true as const,
      }
      const result = await measureOnce({
        module: new URL(`${module}.ts`, import.meta.url).href,
        measure: measure.measure,
        work,
      })
      results.set(module, result)
      tell(
        `${round === 0 ? 'warm-up' : `round ${round}`}: ${measure.title}: ${result.name} ${rate(result).toFixed(0)}/s`,
      )
    }
    if (round > 0) measured.push(results)
  }
  return { measure, rounds: measured }
}

/** Messages a second. */
export function rate({ messages, tookMs }: Measurement): number {
  return (messages / tookMs) * 1000
}

async function measureOnce(order: Order): Promise<Measurement> {
  await using child = await startChildProcess(new URL('contender-process.ts', import.meta.url), {
    arguments: [JSON.stringify(order)],
    signalTimeoutMs: 120_000,
  })
  const measurement = await child.signal<Measurement>('measured')
  await child.untilExit()
  return measurement
}
