import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Manifest, PackageTarball } from './package-tarballs.ts'

type ModuleKind = 'import' | 'require'

const install = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
const strictTypes = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node', '--skipLibCheck']

/**
 * Installs the tarballs with npm in an empty folder, and uses every entry from a small ES module and a small CommonJS
 * one: compiled against the packed declarations, then run.
 *
 * @param nodes the programs that run them
 */
export function consumePackages(
  root: string,
  folder: string,
  tarballs: readonly PackageTarball[],
  nodes: readonly string[],
): void {
  const run = (program: string, args: readonly string[]): void => {
    execFileSync(program, args, { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' })
  }
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify(consumerManifest(root, tarballs)))
  writeFileSync(join(folder, 'esm.mts'), program('import', tarballs))
  writeFileSync(join(folder, 'cjs.cts'), program('require', tarballs))
  run('npm', install)
  run('tsc', [...strictTypes, 'esm.mts', 'cjs.cts'])
  for (const node of nodes) {
    run(node, ['esm.mjs'])
    run(node, ['cjs.cjs'])
  }
}

/** What the packages need besides each other comes from the workspace, so that no registry is asked. */
function consumerManifest(root: string, tarballs: readonly PackageTarball[]): object {
  const fromWorkspace = ['vitest', '@types/node'].map(name => [name, `file:${join(root, 'node_modules', name)}`])
  const required = tarballs.flatMap(({ folder, packed }) =>
    requirements(packed).map(name => [name, `file:${join(folder, 'node_modules', name)}`]),
  )
  const packed = tarballs.map(({ file, packed: { name } }) => [name, `file:${file}`])
  const overrides = tarballs.map(({ packed: { name } }) => [name, `$${name}`])
  return {
    private: true,
    dependencies: Object.fromEntries([...required, ...fromWorkspace, ...packed]),
    overrides: Object.fromEntries(overrides),
  }
}

function requirements({ dependencies, peerDependencies, peerDependenciesMeta }: Manifest): readonly string[] {
  const peers = Object.keys(peerDependencies ?? {}).filter(name => peerDependenciesMeta?.[name]?.optional !== true)
  return [...Object.keys(dependencies ?? {}), ...peers]
}

function program(kind: ModuleKind, tarballs: readonly PackageTarball[]): string {
  const entries = tarballs.flatMap(({ packed }) => entriesFor(kind, packed))
  const load = (entry: string, index: number): string =>
    kind === 'import' ? `import * as entry${index} from '${entry}'` : `import entry${index} = require('${entry}')`
  const use = (entry: string, index: number): string =>
    `if (Object.keys(entry${index}).length === 0) throw new Error('${entry} exports nothing')`
  return [...entries.map(load), ...entries.map(use), ''].join('\n')
}

function entriesFor(kind: ModuleKind, { name, exports }: Manifest): readonly string[] {
  return Object.entries(exports)
    .filter(([, conditions]) => kind in conditions)
    .map(([entry]) => name + entry.slice(1))
}
