import { cpuMicros, type Measurement, rate } from './measurement.ts'
import type { SuiteRun } from './run-suite.ts'
import { spread, type Spread } from './statistics.ts'
import type { SuiteContender } from './suite.ts'

export interface Results {
  /** With the version. */
  readonly broker: string
  readonly runs: readonly SuiteRun[]
  readonly rounds: number
  readonly machine: string
  /** By the day: the figures are those of the versions and the machine of then. */
  readonly date: Date
  /** Of the machine before the run: how many processes ran or wanted to. */
  readonly load: number
}

/** What a machine has to do that has nothing to do. */
const quiet = 1
const noisy = ' **The machine was busy with other things: the ratios are rough, the rates worth nothing.**'

/** One table for each measure: rates, ratios and CPU time, each a median with its spread. */
export function markdown({ broker, runs, rounds, machine, date, load }: Results): string {
  const conditions =
    `${broker} on the same machine: ${machine}. ${date.toISOString().slice(0, 10)}, ${rounds} rounds; ` +
    `load before: ${load.toFixed(1)}.` +
    (load < quiet ? '' : noisy)
  return [conditions, ...runs.map(table)].join('\n\n') + '\n'
}

function table({ measure, rounds }: SuiteRun): string {
  const notes = [...new Set(measure.contenders.flatMap(({ note }) => note ?? []))]
  const rows = measure.contenders.map(contender => row(contender, rounds, notes))
  return [
    `### ${measure.title}`,
    [
      '| | events/s | ratio | of | CPU µs an event | promised |',
      '|---|---:|---:|---|---:|---:|',
      ...rows.map(cells => `| ${cells.join(' | ')} |`),
    ].join('\n'),
    ...(notes.length === 0 ? [] : [notes.map((note, index) => `${mark(index)} ${note}`).join('<br>\n')]),
  ].join('\n\n')
}

function row(
  { module, against, target, note }: SuiteContender,
  rounds: SuiteRun['rounds'],
  notes: readonly string[],
): readonly string[] {
  const own = measurementsOf(module, rounds)
  const others = measurementsOf(against, rounds)
  const name = own[0].name + (note === undefined ? '' : ` ${mark(notes.indexOf(note))}`)
  // Within a round, so that what the machine did meanwhile hits both.
  const ratios = spread(own.map((measurement, round) => rate(measurement) / rate(others[round] ?? others[0])))
  return [
    name,
    written(spread(own.map(rate)), thousands),
    module === against ? '1' : written(ratios, ratio => ratio.toFixed(2)),
    module === against ? '' : others[0].name,
    written(spread(own.map(cpuMicros)), micros => micros.toFixed(1)),
    target === undefined ? '' : `≥ ${target.toFixed(2)}${ratios.median >= target ? '' : ', missed'}`,
  ]
}

function measurementsOf(module: string, rounds: SuiteRun['rounds']): readonly [Measurement, ...Measurement[]] {
  const [first, ...rest] = rounds.flatMap(round => round.get(module) ?? [])
  if (first === undefined || rest.length + 1 !== rounds.length) throw new Error(`${module} was not measured each round`)
  return [first, ...rest]
}

function written({ median, min, max }: Spread, write: (value: number) => string): string {
  return `${write(median)} (${write(min)}–${write(max)})`
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-GB')
}

function mark(index: number): string {
  return `<sup>${index + 1}</sup>`
}
