import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const fixtures = fileURLToPath(new URL('fixtures', import.meta.url))
const runner = fileURLToPath(new URL('run-tests.ts', import.meta.url))

describe('the test run', () => {
  it('ends with the totals and exit code 0 when all is green', () => {
    expect(run('green')).toEqual({ exitCode: 0, lastLine: '1 passed, 0 failed, 1 skipped' })
  })

  it('counts a failing test and a skip without a reason as failed', () => {
    expect(run('red')).toEqual({ exitCode: 1, lastLine: '1 passed, 2 failed' })
  })

  it('counts a file that cannot be loaded as failed', () => {
    expect(run('broken')).toEqual({ exitCode: 1, lastLine: '0 passed, 1 failed' })
  })

  it('adds the files up', () => {
    expect(run('.fixture.ts')).toEqual({ exitCode: 1, lastLine: '2 passed, 3 failed, 1 skipped' })
  })

  it('counts only what a name picks', () => {
    expect(run('red', '-t', 'passes')).toEqual({ exitCode: 0, lastLine: '1 passed, 0 failed' })
  })

  it('counts a global set-up that fails as failed', () => {
    const config = join(fixtures, 'failing-setup.config.ts')
    expect(run('green', '--config', config)).toEqual({ exitCode: 1, lastLine: '0 passed, 1 failed' })
  })

  it('counts as failed when nothing was run', () => {
    expect(run('no-such-file')).toEqual({ exitCode: 1, lastLine: '0 passed, 1 failed' })
  })
})

function run(...filters: string[]): { exitCode: number | null; lastLine: string | undefined } {
  const { status, stdout } = spawnSync(process.execPath, [runner, '--root', fixtures, ...filters], { encoding: 'utf8' })
  return { exitCode: status, lastLine: stdout.trimEnd().split('\n').at(-1) }
}
