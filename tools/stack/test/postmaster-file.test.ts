import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readPostmasterFile } from '../src/postgres/postmaster-file.ts'

const lines = ['4242', '/data', '1795000000', '25000', '', '127.0.0.1', '  1234567   89', 'ready   ', '']

async function readAfterLines(count: number): Promise<unknown> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'postmaster-file-'))
  await writeFile(join(folder.path, 'postmaster.pid'), lines.slice(0, count).join('\n'))
  return await readPostmasterFile(folder.path)
}

it('reads who runs, whether it is ready, and its shared memory', async () => {
  expect(await readAfterLines(lines.length)).toEqual({ pid: 4242, isReady: true, sharedMemoryId: '89' })
})

it('takes a file that is not complete yet for a server that is not ready', async () => {
  for (let count = 1; count <= 7; count++) {
    expect(await readAfterLines(count)).toMatchObject({ pid: 4242, isReady: false })
  }
})

it('reads nothing where no server runs', async () => {
  await expect(readPostmasterFile('/nowhere')).resolves.toBeUndefined()
})
