import { existsSync } from 'node:fs'
import { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  freshDatabase,
  openPostgres,
  type PostgresServer,
  startPostgres,
  type StartPostgresOptions,
  startTcpProxy,
} from '../src/index.ts'
import { isProgram, openAddresses, runningCheck, volumesCheck } from './server-place.ts'
import { occupyPort } from './occupied-port.ts'
import { describeByWay } from './ways.ts'

async function start(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  const server = await startPostgres({ storage: 'memory', ...options })
  onTestFinished(() => server.stop())
  return server
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {}) // a test that breaks the connection sees its queries reject
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return Object.values((await client.query({ text: sql, rowMode: 'array' })).rows[0] as unknown[])[0]
  } finally {
    await client.end()
  }
}

describeByWay('a Postgres of our own', way => {
  it('takes connections, with the settings that tests rely on', async () => {
    const { url } = await start()
    expect(await ask(url, 'SHOW server_version_num')).toMatch(way === 'programs' ? /^18/ : /^17/)
    expect(await ask(url, 'SHOW wal_level')).toBe('logical')
    expect(await ask(url, 'SHOW synchronous_commit')).toBe('on')
    expect(await ask(url, 'SHOW max_connections')).toBe('200')
    expect(await ask(url, 'SHOW listen_addresses')).toBe(way === 'programs' ? '127.0.0.1' : '*')
    expect(await ask(url, 'SHOW server_encoding')).toBe('UTF8')
  })

  it('keeps what was committed, and nothing else, through SIGKILL and restart', async () => {
    const server = await start()
    const client = await connect(server.url)
    await client.query('CREATE TABLE kept (id int)')
    await client.query('INSERT INTO kept SELECT generate_series(1, 1000)')
    await client.query('BEGIN; INSERT INTO kept VALUES (0)')
    const isThere = runningCheck(server)
    expect(await isThere()).toBe(true)
    await server.kill()
    expect(await isThere()).toBe(false)
    await expect(server.kill()).rejects.toThrow('Postgres is not running')
    await server.restart()
    expect(await runningCheck(server)()).toBe(true)
    expect(await ask(server.url, 'SELECT count(*) FROM kept')).toBe('1000')
    expect(server.log()).toContain('automatic recovery')
  })

  it('breaks every connection when it is killed, those that are busy too', async () => {
    const server = await start()
    const client = await connect(server.url)
    const asleep = client.query('SELECT pg_sleep(600)')
    await Promise.all([expect(asleep).rejects.toThrow(/terminated|ECONNRESET/), server.kill()])
  })

  it('comes back ten times on the same port', async () => {
    const server = await start()
    const { url } = server
    for (let round = 0; round < 10; round++) {
      await server.kill()
      await server.restart()
    }
    expect(server.url).toBe(url)
    expect(await ask(url, 'SELECT 1')).toBe(1)
  })

  it('shuts down in order when it is restarted while it runs', async () => {
    const server = await start()
    await connect(server.url)
    await server.restart()
    expect(server.log()).toContain('database system is shut down')
    expect(server.log()).not.toContain('automatic recovery')
  })

  it('can be asked to shut down', async () => {
    const server = await start()
    await server.kill('SIGINT')
    expect(server.log()).toContain('database system is shut down')
    await expect(server.pause()).rejects.toThrow('Postgres is not running')
  })

  it('answers nothing while it is paused, on open connections and new ones', async () => {
    const server = await start()
    const client = await connect(server.url)
    await server.pause()
    const answers: string[] = []
    const old = client.query('SELECT 1').then(() => answers.push('open connection'))
    const other = ask(server.url, 'SELECT 1').then(() => answers.push('new connection'))
    const { url } = await start() // a server that runs has answered meanwhile
    await ask(url, 'SELECT 1')
    expect(answers).toEqual([])
    await server.resume()
    await Promise.all([old, other])
    expect(answers.toSorted()).toEqual(['new connection', 'open connection'])
  })

  it('can be killed and stopped while it is paused', async () => {
    const server = await start()
    await server.pause()
    await server.kill()
    await server.restart()
    await server.pause()
    const isThere = runningCheck(server)
    await server.stop()
    expect(await isThere()).toBe(false)
  })

  it('is one of several that run side by side', async () => {
    const [one, other, onDisk] = await Promise.all([start(), start(), start({ storage: 'disk' })])
    expect(new Set([one, other, onDisk].map(({ url }) => new URL(url).port)).size).toBe(3)
    await one.kill()
    expect(await ask(other.url, 'SELECT 1')).toBe(1)
    expect(await ask(onDisk.url, 'SELECT 1')).toBe(1)
  })

  it('leaves nothing when it is stopped, and may be stopped again', async () => {
    const server = await start()
    const folder = String(await ask(server.url, 'SHOW data_directory'))
    expect(existsSync(folder)).toBe(isProgram(server))
    const isThere = runningCheck(server)
    const hasVolumes = await volumesCheck(server)
    expect(await hasVolumes()).toBe(way === 'containers')
    await server.stop()
    await server.stop()
    expect(await isThere()).toBe(false)
    expect(await hasVolumes()).toBe(false)
    expect(existsSync(folder)).toBe(false)
    await expect(server.restart()).rejects.toThrow('Postgres was stopped for good')
  })

  it('is reached at 127.0.0.1 only', async () => {
    expect(await openAddresses(await start())).toEqual(['127.0.0.1'])
  })

  it('lets in nobody without its password', async () => {
    const url = new URL((await start()).url)
    url.password = 'guess'
    await expect(ask(url.href, 'SELECT 1')).rejects.toThrow('password authentication failed')
  })

  it('works through the proxy, which can hide that a transaction was committed', async () => {
    const server = await start()
    const proxy = await startTcpProxy({ target: server.url })
    onTestFinished(() => proxy.close())
    const client = await connect(proxy.through(server.url))
    await client.query('CREATE TABLE kept (id int)')
    const isCut = proxy.cutBeforeReply(bytes => bytes.includes('COMMIT'))
    await client.query('BEGIN')
    await client.query('INSERT INTO kept VALUES (1)')
    await expect(client.query('COMMIT')).rejects.toThrow(/ECONNRESET|terminated/)
    expect(await isCut).toBe(true)
    expect(await ask(server.url, 'SELECT count(*) FROM kept')).toBe('1')
  })
})

describeByWay('a Postgres that does not come up', way => {
  it('says why, with the last lines of its log', async () => {
    await expect(start({ settings: { wal_level: 'nonsense' } })).rejects.toThrow(
      /Postgres did not come up: it ended at once[^]*invalid value for parameter "wal_level"[^]*MEKONG_POSTGRES_URL/,
    )
  })

  it('says so when it takes too long', async () => {
    await expect(start({ startTimeoutMs: 0 })).rejects.toThrow('it took no connections within 0 ms')
  })

  it('says so when somebody else took its port while it was down', async () => {
    const server = await start({ startTimeoutMs: way === 'programs' ? 300 : 30_000 })
    await server.kill()
    const other = await occupyPort(server.url)
    await expect(server.restart()).rejects.toThrow(/address already in use/i)
    await other[Symbol.asyncDispose]()
    await server.restart()
    expect(await ask(server.url, 'SELECT 1')).toBe(1)
  })
})

describe('fresh databases', () => {
  it('are empty, apart from each other, and gone when they are dropped', async () => {
    const server = await start()
    const [one, other] = await Promise.all([server.createDatabase(), freshDatabase(server.url)])
    await ask(one.url, 'CREATE TABLE t (); ').catch(() => {})
    expect(await ask(one.url, `SELECT count(*) FROM pg_tables WHERE tablename = 't'`)).toBe('1')
    expect(await ask(other.url, `SELECT count(*) FROM pg_tables WHERE tablename = 't'`)).toBe('0')
    await one.drop()
    await one.drop()
    await expect(ask(one.url, 'SELECT 1')).rejects.toThrow('does not exist')
  })

  it('are dropped under the connections that are open to them', async () => {
    const server = await start()
    const database = await server.createDatabase()
    const client = await connect(database.url)
    const ended = new Promise(resolve => client.once('end', resolve))
    await database.drop()
    await expect(ended).resolves.toBeUndefined()
  })
})

describe('the Postgres of the environment', () => {
  it('gives each caller a database of its own, dropped at the end', async () => {
    const server = await start()
    const environment = { MEKONG_POSTGRES_URL: server.url }
    const [one, other] = await Promise.all([openPostgres({ environment }), openPostgres({ environment })])
    const further = await one.createDatabase()
    const names = [one.url, other.url, further.url].map(url => new URL(url).pathname.slice(1))
    expect(new Set(names).size).toBe(3)
    expect(await ask(one.url, 'SELECT current_database()')).toBe(names[0])
    await Promise.all([one.close(), other.close(), further.drop()])
    expect(await ask(server.url, `SELECT count(*) FROM pg_database WHERE datname LIKE 'mekong%'`)).toBe('0')
  })

  it('is the one that is used, or the call fails: nothing is started in its place', async () => {
    const environment = { MEKONG_POSTGRES_URL: 'postgres://user:secret@127.0.0.1:1/none' }
    const failure = await openPostgres({ environment }).catch((error: Error) => error.message)
    expect(failure).toContain('MEKONG_POSTGRES_URL')
    expect(failure).toContain('ECONNREFUSED')
    expect(failure).not.toContain('secret')
  })

  it('is not needed: without it one is started', async () => {
    const postgres = await openPostgres({ environment: {}, storage: 'memory' })
    onTestFinished(() => postgres.close())
    const database = await postgres.createDatabase()
    expect(await ask(database.url, 'SELECT 1')).toBe(1)
  })
})
