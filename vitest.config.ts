import { defaultServerConditions } from 'vite'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'

const conditions = ['mekong-source', ...defaultServerConditions]
const everywhere = (suffix: string): string => `{packages,tools,examples}/**/*${suffix}`
const suffixes = {
  conformance: '.conformance.test.ts',
  integration: '.integration.test.ts',
  fault: '.fault.test.ts',
  docs: '.docs.test.ts',
}

const withPostgres = { globalSetup: 'tools/stack/src/vitest-global-setup.ts' }

// Groups run one after the other: cheap ones first, those that kill processes never beside those that measure waits.
const project = (name: string, groupOrder: number, test: object): TestProjectConfiguration => ({
  extends: true,
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    name,
    sequence: { groupOrder },
    exclude: ['**/node_modules/**', '**/dist/**'],
    ...test,
  },
})

export default defineConfig({
  test: {
    projects: [
      project('unit', 0, {
        include: [everywhere('.test.ts')],
        exclude: ['**/node_modules/**', '**/dist/**', ...Object.values(suffixes).map(everywhere)],
      }),
      project('types', 1, {
        include: [],
        typecheck: { enabled: true, only: true, include: [everywhere('.test-d.ts')], tsconfig: 'tsconfig.types.json' },
      }),
      project('conformance', 2, { ...withPostgres, include: [everywhere(suffixes.conformance)], testTimeout: 20_000 }),
      project('integration', 3, { ...withPostgres, include: [everywhere(suffixes.integration)], testTimeout: 60_000 }),
      project('fault', 4, { ...withPostgres, include: [everywhere(suffixes.fault)], testTimeout: 120_000 }),
      project('docs', 5, { include: [everywhere(suffixes.docs)], testTimeout: 60_000 }),
    ],
    hookTimeout: 60_000,
  },
})
