import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const readme = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8')
const snippet = /^## Fifteen lines that run\n+```ts\n(?<code>[\s\S]*?)^```\n+They print `(?<printed>[^`]+)`/m.exec(
  readme,
)?.groups

it('runs the lines of the README, which print what it says, and ends', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=mekong-source', '--no-warnings', '--input-type=module', '--eval', snippet!['code']!],
    // From here the names of the packages resolve.
    {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { ...process.env, EVENT_BUS_URL: 'memory:' },
      timeout: 30_000,
    },
  )
  expect(stdout.trim()).toBe(snippet!['printed'])
})

it('promises no more lines than fifteen', () => {
  expect(snippet!['code']!.split('\n').filter(line => line.trim() !== '')).toHaveLength(15)
})
