// Checks what would be published: entries, types, and that an application can import and require each of them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { consumePackages } from './package-consumer.ts'
import { packPackages, type PackageTarball } from './package-tarballs.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
// npm tells which Node runs it: the machine's own, which may be the oldest that the packages promise to run on.
const nodes = new Set([process.execPath, process.env['npm_node_execpath'] ?? process.execPath])

const folder = mkdtempSync(join(tmpdir(), 'mekong-packages-'))
try {
  const tarballs = packPackages(root, folder)
  for (const tarball of tarballs) {
    checkEntries(tarball)
    run('publint', ['run', tarball.file, '--strict'])
    checkTypes(tarball)
  }
  consumePackages(root, join(folder, 'consumer'), tarballs, [...nodes])
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** The sources are for the workspace only: what is packed has the same entries without them. */
function checkEntries({ source, packed }: PackageTarball): void {
  const expected = Object.entries(source.exports).map(([entry, { 'mekong-source': _source, ...built }]) => [
    entry,
    built,
  ])
  assert.deepEqual(packed.exports, Object.fromEntries(expected), `publishConfig.exports of ${source.name}`)
}

/** An entry without `require` is for ES modules only: it needs vitest, which cannot be required. */
function checkTypes({ file, packed }: PackageTarball): void {
  const entries = Object.entries(packed.exports)
  const dual = entries.filter(([, conditions]) => 'require' in conditions).map(([entry]) => entry)
  const esm = entries.filter(([, conditions]) => !('require' in conditions)).map(([entry]) => entry)
  run('attw', [file, '--profile=node16', '--no-definitely-typed', '--entrypoints', ...dual])
  if (esm.length > 0) run('attw', [file, '--profile=esm-only', '--no-definitely-typed', '--entrypoints', ...esm])
}

function run(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'inherit', shell: process.platform === 'win32' })
}
