import { chmod, mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { temporaryFolder } from '../src/temporary-folder.ts'

it('is the one of the system', () => {
  expect(temporaryFolder({ storage: 'disk', isForOthers: false })).toBe(tmpdir())
})

it('is one that everybody enters for a server that runs as another user', async () => {
  await using own = await mkdtempDisposable(join(tmpdir(), 'temporary-folder-'))
  vi.stubEnv('TMPDIR', own.path)
  onTestFinished(() => void vi.unstubAllEnvs())
  await chmod(own.path, 0o700)
  expect(temporaryFolder({ storage: 'disk', isForOthers: false })).toBe(own.path)
  expect(temporaryFolder({ storage: 'disk', isForOthers: true })).toBe('/tmp')
  await chmod(own.path, 0o755)
  expect(temporaryFolder({ storage: 'disk', isForOthers: true })).toBe(own.path)
})
