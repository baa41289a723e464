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

const project = (name: string, test: object): TestProjectConfiguration => ({
  extends: true,
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: { name, exclude: ['**/node_modules/**', '**/dist/**'], ...test },
})

export default defineConfig({
  test: {
    projects: [
      project('unit', {
        include: [everywhere('.test.ts')],
        exclude: ['**/node_modules/**', '**/dist/**', ...Object.values(suffixes).map(everywhere)],
      }),
      project('types', {
        include: [],
        typecheck: { enabled: true, only: true, include: [everywhere('.test-d.ts')], tsconfig: 'tsconfig.types.json' },
      }),
      project('conformance', { include: [everywhere(suffixes.conformance)], testTimeout: 20_000 }),
      project('integration', { include: [everywhere(suffixes.integration)], testTimeout: 60_000, hookTimeout: 60_000 }),
      project('fault', { include: [everywhere(suffixes.fault)], testTimeout: 120_000, hookTimeout: 60_000 }),
      project('docs', { include: [everywhere(suffixes.docs)], testTimeout: 60_000 }),
    ],
  },
})
