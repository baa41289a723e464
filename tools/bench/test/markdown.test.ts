import { expect, it } from 'vitest'
import { markdown, type Results } from '../src/markdown.ts'
import type { Measurement } from '../src/measurement.ts'

const results: Results = {
  broker: 'Broker 1.0',
  machine: 'a machine',
  date: new Date('2026-11-21T12:00:00Z'),
  load: 0.2,
  rounds: 3,
  runs: [
    {
      measure: {
        measure: 'publish',
        title: 'Publish',
        messages: 1000,
        contenders: [
          { module: 'raw', against: 'raw' },
          { module: 'bus', against: 'raw', target: 0.9, note: 'checks each event' },
        ],
      },
      // The machine is half as fast in the second round, and the bus is always at 80 to 100 %.
      rounds: [round(100, 125), round(200, 200), round(100, 111)],
    },
  ],
}

function round(rawMs: number, busMs: number): ReadonlyMap<string, Measurement> {
  const measured = (name: string, tookMs: number): Measurement => ({ name, messages: 1000, tookMs, cpuMs: tookMs / 2 })
  return new Map([
    ['raw', measured('raw 1.0', rawMs)],
    ['bus', measured('Bus 2.0', busMs)],
  ])
}

it('tells medians with their spread, and ratios within each round', () => {
  expect(markdown(results).split('\n')).toEqual([
    'Broker 1.0 on the same machine: a machine. 2026-11-21, 3 rounds; load before: 0.2.',
    '',
    '### Publish',
    '',
    '| | events/s | ratio | of | CPU µs an event | promised |',
    '|---|---:|---:|---|---:|---:|',
    '| raw 1.0 | 10,000 (5,000–10,000) | 1 |  | 50.0 (50.0–100.0) |  |',
    '| Bus 2.0 <sup>1</sup> | 8,000 (5,000–9,009) | 0.90 (0.80–1.00) | raw 1.0 | 62.5 (55.5–100.0) | ≥ 0.90 |',
    '',
    '<sup>1</sup> checks each event',
    '',
  ])
})

it('says where a promise is missed', () => {
  const [run] = results.runs
  const slow = { ...run!, rounds: [round(100, 125), round(100, 125), round(100, 125)] }
  expect(markdown({ ...results, runs: [slow] })).toContain('| ≥ 0.90, missed |')
})

it('warns of a machine that had other things to do', () => {
  expect(markdown({ ...results, load: 4 })).toContain('The machine was busy')
})

it('refuses to tell of a contender that was not measured each round', () => {
  const [run] = results.runs
  const partly = { ...run!, rounds: [round(100, 125), new Map([...round(100, 125)].slice(0, 1))] }
  expect(() => markdown({ ...results, runs: [partly] })).toThrow('bus was not measured each round')
})
