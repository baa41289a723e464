import { fill, measureContender } from './measure-contender.ts'
import { rate, type Measurement } from './measurement.ts'
import { inTurn } from './statistics.ts'
import type { Suite, SuiteBroker, SuiteMeasure } from './suite.ts'

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

/** Of the messages of a round: enough to warm up broker and disk. */
const warmUp = 0.25

/** Measures all contenders in turn, each time in a process of its own, on the same broker. */
export async function runSuite(suite: Suite, broker: SuiteBroker, options: RunOptions): Promise<readonly SuiteRun[]> {
  const runs: SuiteRun[] = []
  for (const measure of suite.measures) runs.push(await runMeasure(measure, broker, options))
  return runs
}

async function runMeasure(measure: SuiteMeasure, broker: SuiteBroker, options: RunOptions): Promise<SuiteRun> {
  const { messages, filledBy } = measure
  const filled = filledBy === undefined ? undefined : await fill(broker, filledBy, Math.ceil(messages * options.scale))
  const rounds: ReadonlyMap<string, Measurement>[] = []
  for (let round = 0; round <= options.rounds; round++) {
    const isWarmUp = round === 0
    const results = new Map<string, Measurement>()
    for (const contender of inTurn(measure.contenders, round)) {
      const scale = isWarmUp ? options.scale * warmUp : options.scale
      const result = await measureContender(broker, { measure, contender, scale, filled })
      results.set(contender.module, result)
      const when = isWarmUp ? 'warm-up' : `round ${round}`
      options.tell(`${measure.measure}, ${when}: ${result.name}: ${rate(result).toFixed(0)}/s`)
    }
    if (!isWarmUp) rounds.push(results)
  }
  if (filled !== undefined) await broker.drop(filled)
  return { measure, rounds }
}
