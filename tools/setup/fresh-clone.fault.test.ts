import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { repositoryRoot } from './repository.mjs'

const notInAClone = new Set(['.git', 'node_modules', 'dist', 'coverage'])

interface Ended {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

describe('a fresh clone', () => {
  let clone: string

  beforeAll(() => {
    clone = mkdtempSync(join(tmpdir(), 'mekong-clone-'))
    cpSync(repositoryRoot, clone, { recursive: true, filter: path => !notInAClone.has(basename(path)) })
  })

  afterAll(() => rmSync(clone, { recursive: true, force: true }))

  it('starts twice at the same time, from any folder', async () => {
    const both = await Promise.all([start(clone, ['--help']), start(clone, ['--help'])])
    expect(both).toEqual([
      {
        exitCode: 0,
        stdout: expect.stringContaining('Usage:'),
        stderr: expect.stringContaining('✓ Installing packages'),
      },
      {
        exitCode: 0,
        stdout: expect.stringContaining('Usage:'),
        stderr: expect.stringContaining('✓ Installing packages'),
      },
    ])
  })

  it('sets nothing up the second time, and passes the exit code on', async () => {
    expect(await start(clone, ['--no-such-option'])).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringMatching(/^[^\n]*--no-such-option[^\n]*\n$/),
    })
  })
})

async function start(clone: string, options: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [join(clone, 'tools', 'setup', 'run.mjs'), 'start', ...options], {
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [exitCode]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { exitCode, stdout, stderr }
}
