import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

const sourceCondition = 'mekong-source'

interface Manifest {
  readonly exports: Readonly<Record<string, Readonly<Record<typeof sourceCondition, string>>>>
}

/** Builds every entry of the package's `exports` as ESM and CommonJS, with declarations for both. */
export function libraryBuild(): ReturnType<typeof defineConfig> {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest
  return defineConfig({
    entry: Object.fromEntries(
      Object.entries(manifest.exports).map(([key, conditions]) => [entryName(key), conditions[sourceCondition]]),
    ),
    format: ['esm', 'cjs'],
    platform: 'node',
    target: 'node20',
    dts: true,
    // Entries of one package share its classes and its memory broker, in CommonJS too.
    splitting: true,
    clean: true,
    sourcemap: true,
  })
}

function entryName(exportKey: string): string {
  return exportKey === '.' ? 'index' : exportKey.slice('./'.length)
}
