import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { workspaceStamp } from './workspace-stamp.mjs'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mekong-stamp-'))
  write('pnpm-lock.yaml', 'lockfileVersion: 9')
  write('pnpm-workspace.yaml', 'packages: []')
  write('package.json', JSON.stringify({ devDependencies: { vitest: '1' } }))
  write('packages/core/package.json', JSON.stringify({}))
  write('packages/outbox/package.json', JSON.stringify({ dependencies: { core: '1' } }))
  write('examples/README.md', '')
  write('tools/README.md', '')
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

describe('the stamp of an installation', () => {
  it('stays while nothing changes', () => {
    expect(workspaceStamp(root)).toEqual(workspaceStamp(root))
  })

  it.each(['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'packages/core/package.json'])(
    'changes with %s',
    path => {
      const before = workspaceStamp(root).stamp
      write(path, JSON.stringify({ changed: true }))
      expect(workspaceStamp(root).stamp).not.toBe(before)
    },
  )

  it('changes with a new package', () => {
    const before = workspaceStamp(root).stamp
    write('packages/saga/package.json', JSON.stringify({}))
    expect(workspaceStamp(root).stamp).not.toBe(before)
  })

  it('expects installed packages where there are dependencies', () => {
    expect(workspaceStamp(root).folders).toEqual([
      join(root, 'node_modules'),
      join(root, 'packages', 'outbox', 'node_modules'),
    ])
  })
})

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}
