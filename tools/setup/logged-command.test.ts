import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runLogged } from './logged-command.mjs'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mekong-command-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a command of the set-up', () => {
  it('keeps what it prints in its log', async () => {
    await node('console.log("out"); console.error("err")')
    expect(readFileSync(join(folder, 'log'), 'utf8').split('\n').toSorted()).toEqual(['', 'err', 'out'])
  })

  it('fails with the end of its log, the exit code and what to do', async () => {
    const failure = node('for (let i = 1; i <= 30; i++) console.log("line " + i); process.exitCode = 3')
    await expect(failure).rejects.toThrow(/ended with code 3:\n {2}line 11\n[^]*line 30$/)
    await expect(failure).rejects.toMatchObject({ remedy: expect.stringMatching(/^Try again\. The log is .*log$/) })
  })

  it('fails when its program is not there', async () => {
    const log = join(folder, 'log')
    const missing = runLogged({
      program: join(folder, 'no-such'),
      arguments: [],
      folder,
      environment: {},
      log,
      remedy: '',
    })
    await expect(missing).rejects.toThrow(/ENOENT/)
  })
})

async function node(code: string): Promise<void> {
  await runLogged({
    program: process.execPath,
    arguments: ['-e', code],
    folder,
    environment: process.env,
    log: join(folder, 'log'),
    remedy: 'Try again.',
  })
}
