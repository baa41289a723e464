import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { csv, type TestFolder, testFolder } from './support/csv-files.ts'
import { runShop, type ShopRun } from './support/shop-process.ts'

let folder: TestFolder
let temporary: TestFolder
let database: Server
let connections = 0

/** Whatever the shop starts, it starts with its Postgres; and what it leaves behind, it leaves in the temporary folder. */
beforeEach(async () => {
  folder = testFolder()
  temporary = testFolder()
  connections = 0
  database = createServer(socket => {
    connections++
    socket.destroy()
  }).listen(0, '127.0.0.1')
  await once(database, 'listening')
})
afterEach(() => {
  folder[Symbol.dispose]()
  temporary[Symbol.dispose]()
  database.close()
})

function shop(...args: readonly string[]): Promise<ShopRun> {
  const { port } = database.address() as AddressInfo
  return runShop(args, {
    MEKONG_POSTGRES_URL: `postgres://127.0.0.1:${port}/shop`,
    INIT_CWD: folder.path,
    TMPDIR: temporary.path,
    NODE_COMPILE_CACHE: undefined,
  })
}

function expectNothingStarted(): void {
  expect(connections).toBe(0)
  expect(readdirSync(temporary.path)).toEqual([])
}

describe('what is typed or given wrong', () => {
  it.each<[string, readonly string[], string]>([
    ['an option', ['--colour', 'red'], "unknown option '--colour'; allowed are --orders"],
    ['a number', ['--stock', '-1'], "option '--stock <units>' argument '-1' is invalid. It must be a whole number"],
    [
      'a broker',
      ['--broker', 'nats'],
      "argument 'nats' is invalid. There is no such broker; allowed: memory, kafka, rabbitmq",
    ],
    ['what does not go together', ['--kill', '1'], "option '--kill <seed>' needs --broker kafka or rabbitmq"],
    ['a path', ['--orders', 'nothing.csv'], 'nothing.csv does not exist'],
    ['a file', ['--orders', 'broken.csv'], 'broken.csv, line 4, column 3 (Description): 2 fields, the header has 8'],
  ])('ends with code 2 and one line about %s, and nothing started', async (_what, args, message) => {
    folder.write('broken.csv', `${csv({}, {})}1,a\n`)
    const { code, stdout, stderr } = await shop(...args)
    expect(stderr).toContain(message)
    expect(stderr.trimEnd()).not.toContain('\n')
    expect(stdout).toBe('')
    expect(code).toBe(2)
    expectNothingStarted()
  })

  it('explains itself on --help, with code 0 and nothing started', async () => {
    const { code, stdout, stderr } = await shop('--help')
    expect(stdout).toMatch(/^Usage: npm start -- \[options\]/)
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expectNothingStarted()
  })

  it('says in one line that the Postgres of the environment is none', async () => {
    const { code, stdout, stderr } = await shop(
      '--orders',
      folder.write('day.csv', csv({})),
      '--out',
      join(folder.path, 'out'),
    )
    expect(stderr).toMatch(/^No database could be made in the Postgres of MEKONG_POSTGRES_URL: .*\n$/)
    expect(stdout).toBe('')
    expect(code).toBe(2)
    expect(connections).toBeGreaterThan(0)
  })
})
