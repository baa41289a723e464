import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { logTail } from '../src/log-tail.ts'

it('gives the last lines of a log', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'log-tail-'))
  const file = join(folder.path, 'log')
  await writeFile(file, 'one\ntwo\nthree\n')
  expect(logTail(file, 2)).toBe('two\nthree')
  expect(logTail(file)).toBe('one\ntwo\nthree')
})

it('reads no more than the end of a large log', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'log-tail-'))
  const file = join(folder.path, 'log')
  await writeFile(file, `${'x'.repeat(200_000)}\nlast`)
  expect(logTail(file, 1)).toBe('last')
  expect(logTail(file).length).toBeLessThan(70_000)
})

it('gives nothing of a log that is not there', () => {
  expect(logTail('/nowhere/log')).toBe('')
})
