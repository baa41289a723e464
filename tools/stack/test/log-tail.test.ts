import { appendFile, mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { followLog, logTail } from '../src/log-tail.ts'

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

it('follows a log from where it ends, line by line', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'log-tail-'))
  const file = join(folder.path, 'log')
  const fromItsBirth = followLog(file)
  await writeFile(file, 'one\n')
  const fromOne = followLog(file)
  await appendFile(file, 'two\nthr')
  expect(fromItsBirth()).toEqual(['one', 'two'])
  expect(fromOne()).toEqual(['two'])
  await appendFile(file, 'ee\n')
  expect(fromItsBirth()).toEqual(['three'])
  expect(fromOne()).toEqual(['three'])
  expect(fromOne()).toEqual([])
})
