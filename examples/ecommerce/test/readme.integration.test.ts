import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sharedKafka, sharedRabbitMq } from '@mekong/stack'
import { describe, expect, it } from 'vitest'

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
const { code = '', printed } =
  /^## Sixteen lines that run\n+```ts\n(?<code>[\s\S]*?)^```\n+They print `(?<printed>[^`]+)`/m.exec(readme)?.groups ??
  {}

describe('the lines of the README', () => {
  it.each<[string, () => Promise<string>]>([
    ['in memory', async () => 'memory:'],
    ['on Kafka', async () => (await sharedKafka()).url],
    ['on RabbitMQ', async () => (await sharedRabbitMq()).url],
  ])('run %s, print what it says, and end', async (_, broker) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=mekong-source', '--no-warnings', '--input-type=module', '--eval', code],
      {
        // From here the names of all packages resolve.
        cwd: fileURLToPath(new URL('..', import.meta.url)),
        env: { ...process.env, EVENT_BUS_URL: await broker() },
        timeout: 50_000,
      },
    )
    expect(stdout.trim()).toBe(printed)
  })

  it('are no more than sixteen', () => {
    expect(code.split('\n').filter(line => line.trim() !== '')).toHaveLength(16)
  })
})
