import { availableParallelism } from 'node:os'
import { defaultServerConditions } from 'vite'
import { defineConfig, type TestProjectConfiguration, type ViteUserConfig } from 'vitest/config'
import { LongestFirst } from './tools/test/longest-first.ts'

const conditions = ['mekong-source', ...defaultServerConditions]
const everywhere = (suffix: string): string => `{packages,tools,examples}/**/*${suffix}`
const suffixes = {
  conformance: '.conformance.test.ts',
  integration: '.integration.test.ts',
  fault: '.fault.test.ts',
  docs: '.docs.test.ts',
}

const cores = availableParallelism()

// Groups run one after the other: the quick ones first, and what kills processes never beside what measures waits. Tests
// of a broker or a database wait more than they work (a conformance suite works a sixth of its time), so they get more workers
// than there are cores.
const groups = {
  quick: { sequence: { groupOrder: 0 }, maxWorkers: cores },
  waiting: { sequence: { groupOrder: 1 }, maxWorkers: cores + 2 },
  killing: { sequence: { groupOrder: 2 }, maxWorkers: cores + 1 },
}

const project = (name: string, group: keyof typeof groups, test: object): TestProjectConfiguration => ({
  extends: true,
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: { name, ...groups[group], exclude: ['**/node_modules/**', '**/dist/**'], ...test },
})

const withPostgres = { globalSetup: 'tools/stack/src/vitest-global-setup.ts' }

const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      project('unit', 'quick', {
        include: [everywhere('.test.ts')],
        exclude: ['**/node_modules/**', '**/dist/**', ...Object.values(suffixes).map(everywhere)],
        // Nothing here is ambient, so files can share a worker: half the time.
        isolate: false,
        testTimeout: 30_000,
      }),
      project('types', 'quick', {
        include: [],
        typecheck: { enabled: true, only: true, include: [everywhere('.test-d.ts')], tsconfig: 'tsconfig.types.json' },
      }),
      project('conformance', 'waiting', {
        ...withPostgres,
        include: [everywhere(suffixes.conformance)],
        testTimeout: 20_000,
      }),
      project('integration', 'waiting', {
        ...withPostgres,
        include: [everywhere(suffixes.integration)],
        testTimeout: 60_000,
      }),
      project('docs', 'waiting', { include: [everywhere(suffixes.docs)], testTimeout: 60_000 }),
      project('fault', 'killing', { ...withPostgres, include: [everywhere(suffixes.fault)], testTimeout: 120_000 }),
    ],
    hookTimeout: 60_000,
    sequence: { sequencer: LongestFirst },
  },
})

export default config
