import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

export interface PackageTarball {
  readonly file: string
  /** As in the workspace. */
  readonly source: Manifest
  /** As whoever installs it sees it. */
  readonly packed: Manifest
}

/** Packs every package of `packages/` into the folder, the way publishing does. */
export function packPackages(root: string, folder: string): readonly PackageTarball[] {
  return globSync('packages/*/package.json', { cwd: root })
    .toSorted()
    .map(path => {
      const file = pack(join(root, path, '..'), folder)
      const packed = execFileSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' })
      return { file, source: JSON.parse(readFileSync(join(root, path), 'utf8')), packed: JSON.parse(packed) }
    })
}

function pack(packageFolder: string, folder: string): string {
  const output = execFileSync('pnpm', ['pack', '--json', '--pack-destination', folder], {
    cwd: packageFolder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  const { filename }: { filename: string } = JSON.parse(output)
  return filename
}
