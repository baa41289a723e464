import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8')

it('lists every signal in docs/telemetry.md, and no other', () => {
  const alternatives = read('packages/core/src/signal.ts').matchAll(/readonly is: (?<names>[^;\n]+)/g)
  const declared = Array.from(alternatives, ({ groups }) =>
    [...groups!['names']!.matchAll(/'([a-z-]+)'/g)].map(one => one[1]),
  ).flat()
  const rows = read('docs/telemetry.md').matchAll(/^\| (?<names>(?:`[a-z-]+`(?:, )?)+) \|/gm)
  const listed = Array.from(rows, ({ groups }) =>
    [...groups!['names']!.matchAll(/`([a-z-]+)`/g)].map(one => one[1]),
  ).flat()
  expect(declared.length).toBeGreaterThan(20)
  expect(new Set(listed)).toEqual(new Set(declared))
  expect(listed).toHaveLength(declared.length)
})
