import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

export interface PackageTarball {
  readonly file: string
  /** In the workspace. */
  readonly folder: string
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
      const packageFolder = join(root, path, '..')
      const file = pack(packageFolder, folder)
      const packed = execFileSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' })
      const source = JSON.parse(readFileSync(join(root, path), 'utf8'))
      return { file, folder: packageFolder, source, packed: JSON.parse(packed) }
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
