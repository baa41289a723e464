import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type Machine, neededPrograms } from '../src/programs/needed-programs.ts'

const needed = {
  server: 'Heron',
  programs: ['mekong-heron-server'] as const,
  debianPackages: ['heron-server'],
  homebrewFormulas: ['heron'],
  environmentVariable: 'MEKONG_HERON_URL',
}

function machine(parts: Partial<Machine>): Machine {
  const install = (): Promise<void> => Promise.reject(new Error('must not install'))
  return { platform: 'linux', isRoot: false, isDebian: true, path: '', install, ...parts }
}

it('finds programs on the path', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'programs-'))
  const file = join(folder.path, 'mekong-heron-server')
  await writeFile(file, '', { mode: 0o755 })
  expect(await neededPrograms(needed, machine({ path: `/nowhere:${folder.path}` }))).toEqual({
    'mekong-heron-server': file,
  })
})

it('installs what is missing where it is root on Debian', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'programs-'))
  const installed: unknown[] = []
  const install = async (packages: readonly string[], server: string): Promise<void> => {
    installed.push(packages, server)
    await writeFile(join(folder.path, 'mekong-heron-server'), '', { mode: 0o755 })
  }
  const found = await neededPrograms(needed, machine({ isRoot: true, path: folder.path, install }))
  expect(found['mekong-heron-server']).toBe(join(folder.path, 'mekong-heron-server'))
  expect(installed).toEqual([['heron-server'], 'Heron'])
})

it.each([
  ['for a user of Debian', { isDebian: true }, 'Type: sudo apt-get install heron-server'],
  ['for a user of macOS', { isDebian: false, platform: 'darwin' as const }, 'Type: brew install heron'],
  ['elsewhere', { isDebian: false, isRoot: true }, 'Install what Debian has as heron-server'],
])('names what to type %s', async (_, parts, advice) => {
  await expect(neededPrograms(needed, machine(parts))).rejects.toThrow(
    `Heron cannot be started: no mekong-heron-server on this machine. ${advice}, ` +
      'or set MEKONG_HERON_URL to a Heron that runs.',
  )
})
