import { mkdir, mkdtempDisposable, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { buildOnce, cacheFolder } from '../src/cache-folder.ts'

const temporary = (): ReturnType<typeof mkdtempDisposable> => mkdtempDisposable(join(tmpdir(), 'cache-folder-'))

it('takes the folder that the environment names', () => {
  expect(cacheFolder({ MEKONG_STACK_CACHE: '/cache', XDG_CACHE_HOME: '/other' })).toBe('/cache')
})

it('builds a folder at the first call only', async () => {
  await using cache = await temporary()
  const folder = join(cache.path, 'built')
  const build = vi.fn<(building: string) => Promise<void>>(building => writeFile(join(building, 'file'), 'content'))
  await buildOnce(folder, build)
  await expect(buildOnce(folder, build)).resolves.toBe(folder)
  expect(build).toHaveBeenCalledOnce()
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe('content')
})

it('lets one of two build, while the other waits for it', async () => {
  await using cache = await temporary()
  const folder = join(cache.path, 'built')
  const built: string[] = []
  const buildAs = (name: string) => async (building: string) => {
    await writeFile(join(building, 'file'), name)
    built.push(name)
  }
  expect(await Promise.all([buildOnce(folder, buildAs('one')), buildOnce(folder, buildAs('other'))])).toEqual([
    folder,
    folder,
  ])
  expect(built).toHaveLength(1)
  expect(await readdir(cache.path)).toEqual(['built'])
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe(built[0])
})

it('leaves nothing behind when the build fails, and builds at the next call', async () => {
  await using cache = await temporary()
  const folder = join(cache.path, 'built')
  await expect(buildOnce(folder, () => Promise.reject(new Error('no space')))).rejects.toThrow(
    /built could not be made in .*: no space[^]*MEKONG_STACK_CACHE/,
  )
  expect(await readdir(cache.path)).toEqual([])
  await buildOnce(folder, building => writeFile(join(building, 'file'), 'content'))
  expect(await readdir(folder)).toEqual(['file'])
})

it('removes what a killed build left, but not a build that may still run', async () => {
  await using cache = await temporary()
  const hoursAgo = new Date(Date.now() - 2 * 60 * 60 * 1000)
  await mkdir(join(cache.path, 'building-old-1'))
  await utimes(join(cache.path, 'building-old-1'), hoursAgo, hoursAgo)
  await mkdir(join(cache.path, 'building-new-1'))
  await buildOnce(join(cache.path, 'built'), () => Promise.resolve())
  expect((await readdir(cache.path)).toSorted()).toEqual(['building-new-1', 'built'])
})
