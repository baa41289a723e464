import type { Measurement } from './measurement.ts'
import { rate, type SuiteRun } from './run-suite.ts'
import { spread } from './statistics.ts'
import type { Suite, SuiteContender } from './suite.ts'

export interface Results {
  readonly suite: Suite
  readonly runs: readonly SuiteRun[]
  readonly machine: string
}

/** One table for each measure: rates, ratios and CPU time, each a median with its spread. */
export function markdown({ suite, runs, machine }: Results): string {
  const head = `${suite.broker} ${suite.version} on the same machine: ${machine}.\n`
  return [head, ...runs.map(table)].join('\n')
}

function table({ measure, rounds }: SuiteRun): string {
  const rows = measure.contenders.map(contender => row(contender, rounds))
  return `### ${measure.title}

| | events/s | ratio | against | CPU µs an event | target |
|---|---:|---:|---|---:|---:|
${rows.join('\n')}
`
}

function row({ module, against, target }: SuiteContender, rounds: SuiteRun['rounds']): string {
  const own = rounds.flatMap(round => round.get(module) ?? [])
  const others = rounds.flatMap(round => round.get(against) ?? [])
  const rates = spread(own.map(rate))
  const ratios = spread(own.map((measurement, round) => rate(measurement) / rate(others[round] as Measurement)))
  const cpu = spread(own.map(({ cpuMs, messages }) => (cpuMs * 1000) / messages))
  const isSame = module === against
  return `| ${[
    own[0]?.name,
    `${thousands(rates.median)} (${thousands(rates.min)}–${thousands(rates.max)})`,
    isSame ? '1' : `**${ratios.median.toFixed(2)}** (${ratios.min.toFixed(2)}–${ratios.max.toFixed(2)})`,
    isSame ? '' : others[0]?.name,
    cpu.median.toFixed(1),
    target === undefined ? '' : `≥ ${target.toFixed(2)}${ratios.median >= target ? '' : ' (missed)'}`,
  ].join(' | ')} |`
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-GB')
}
