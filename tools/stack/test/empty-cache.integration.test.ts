import { chmod, mkdtempDisposable, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startChildProcess } from '../src/index.ts'
import { temporaryFolder } from '../src/temporary-folder.ts'

it('is filled by two runs at the same time, who both get their server', async () => {
  await using cache = await mkdtempDisposable(
    join(temporaryFolder({ storage: 'memory', isForOthers: true }), 'empty-cache-'),
  )
  await chmod(cache.path, 0o755) // the user that runs Postgres for root enters it
  const script = new URL('./scripts/start.ts', import.meta.url)
  const environment = { MEKONG_STACK_CACHE: cache.path, MEKONG_STACK: 'programs' }
  await using one = await startChildProcess(script, { environment })
  await using other = await startChildProcess(script, { environment })
  const urls = await Promise.all([one.signal<string>('started'), other.signal<string>('started')])
  expect(new Set(urls.map(url => new URL(url).port)).size).toBe(2)
  expect(new Set(urls.map(url => new URL(url).password)).size).toBe(1)
  const filled = (await readdir(cache.path)).filter(name => name !== 'node-compile-cache').toSorted()
  expect(filled).toEqual([expect.stringMatching(/^postgres-18/), expect.stringMatching(/-data-[0-9a-f]{8}$/)])
  for (const child of [one, other]) child.tell('stop')
  expect(await Promise.all([one.untilExit(), other.untilExit()])).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ])
})
