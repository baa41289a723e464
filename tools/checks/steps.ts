export type Command = readonly [program: string, ...args: string[]]

export interface Step {
  readonly name: string
  /** Run from the root, one after the other; programs of development dependencies are on PATH. */
  readonly commands: readonly Command[]
}

/** All that CI checks besides the tests, quick ones first. */
export const steps: readonly Step[] = [
  { name: 'format', commands: [['oxfmt', '--check']] },
  { name: 'lint', commands: [['oxlint', '--deny-warnings', '--report-unused-disable-directives']] },
  {
    name: 'types',
    commands: [
      ['tsc', '--project', 'tsconfig.json'],
      ['tsc', '--project', 'tsconfig.published.json'],
      ['tsc', '--project', 'tools/setup/tsconfig.json'],
    ],
  },
  { name: 'unused', commands: [['knip']] },
  { name: 'build', commands: [['pnpm', '--recursive', '--filter=./packages/*', 'run', 'build']] },
  { name: 'packages', commands: [['node', 'tools/checks/check-packages.ts']] },
]
