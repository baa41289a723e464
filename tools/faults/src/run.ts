import { randomUUID } from 'node:crypto'
import { migrate, postgresMigrations } from '@mekong/postgres'
import { pgSql } from '@mekong/postgres/pg'
import {
  type ChildProcess,
  type PostgresServer,
  type RedisServer,
  type Server,
  startChildProcess,
  type TcpProxy,
} from '@mekong/stack'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { judge, type Verdict } from './judge.ts'
import type { Load } from './load.ts'
import { createLogOfEffects, type LogOfEffects } from './log-of-effects.ts'
import type { Settings } from './settings.ts'

/** What a run stands on. The broker's clients reach it through the proxies only. */
export interface Ground {
  readonly broker: Server & { readonly proxies: readonly TcpProxy[] }
  /** With which clients open it. */
  readonly brokerUrl: string
  /** Whether a member that joins is given a part of the work. */
  readonly sharesWork: boolean
  readonly postgres: PostgresServer
  readonly redis: RedisServer
  /** FLUSHALL. */
  flushRedis(): Promise<void>
}

export interface RunOptions {
  readonly load: Load
  readonly eventsPerSecond: number
  readonly once: Settings['once']
  readonly slowMs: number
  /** How many members of the group begin. */
  readonly members: number
}

/** A load under way, for a fault to disturb. */
export interface Run {
  readonly ground: Ground
  readonly publisher: ChildProcess
  /** Those of the beginning, and who joined. */
  readonly members: readonly ChildProcess[]
  /** Resolves when that share of the load, 0 to 1, has its effect. */
  untilHandled(share: number): Promise<void>
  /** One more member. */
  join(): Promise<ChildProcess>
  /** Resolves when this member has handled something; also when nothing is left to be published. */
  untilHandling(member: ChildProcess): Promise<void>
  /** Another publisher in the place of one that was killed. */
  publishAgain(): Promise<ChildProcess>
  /** Resolves when all of the load has its effect, and nothing is asked of anybody meanwhile. */
  drain(): Promise<Verdict>
  close(): Promise<void>
}

const pollMs = 100
/** A run in which nothing has moved for so long will not move any more. */
const stuckAfterMs = 90_000

/** Starts the members, then the publisher, in processes of their own. */
export async function startRun(ground: Ground, options: RunOptions): Promise<Run> {
  const database = await ground.postgres.createDatabase()
  const pool = new pg.Pool({ connectionString: database.url })
  await migrate(pgSql(pool), postgresMigrations)
  await pool.end()
  const log = await createLogOfEffects(database.url)
  const name = randomUUID().slice(0, 8)
  const settings: Settings = {
    broker: ground.brokerUrl,
    databaseUrl: database.url,
    redisUrl: ground.redis.url,
    group: `ledger-${name}`,
    type: `number.drawn-${name}`,
    ...options,
  }
  const run = new RunningLoad(ground, settings, log)
  try {
    await Promise.all(Array.from({ length: options.members }, () => run.join()))
    await run.publishAgain()
    return run
  } catch (error) {
    await run.close()
    throw error
  }
}

class RunningLoad implements Run {
  readonly ground: Ground
  readonly members: ChildProcess[] = []
  readonly #settings: Settings
  readonly #log: LogOfEffects
  #publisher: ChildProcess | undefined
  /** Everything, by the last publisher. */
  #published: Promise<unknown> | undefined

  constructor(ground: Ground, settings: Settings, log: LogOfEffects) {
    this.ground = ground
    this.#settings = settings
    this.#log = log
  }

  get publisher(): ChildProcess {
    if (this.#publisher === undefined) throw new Error('nobody publishes yet')
    return this.#publisher
  }

  async join(): Promise<ChildProcess> {
    const member = await this.#start('consumer.ts')
    this.members.push(member)
    await member.signal('started')
    return member
  }

  async untilHandling(member: ChildProcess): Promise<void> {
    await Promise.race([member.signal('handling'), this.#published])
  }

  async publishAgain(): Promise<ChildProcess> {
    this.#publisher = await this.#start('publisher.ts')
    await this.#publisher.signal('publishing')
    this.#published = this.#publisher.signal('done')
    this.#published.catch(() => undefined) // it may be killed
    return this.#publisher
  }

  async untilHandled(share: number): Promise<void> {
    const wanted = Math.ceil(this.#settings.load.events * share)
    let last = 0
    let movedAt = performance.now()
    for (;;) {
      const handled = (await this.#log.count()) ?? 0
      if (handled >= wanted) return
      if (handled > last) {
        last = handled
        movedAt = performance.now()
      } else if (performance.now() - movedAt > stuckAfterMs) throw this.#stuck(handled)
      await pause(pollMs)
    }
  }

  async drain(): Promise<Verdict> {
    await this.#published
    await this.untilHandled(1)
    return judge(await this.#log.read())
  }

  async close(): Promise<void> {
    const processes = [...this.members, ...(this.#publisher === undefined ? [] : [this.#publisher])]
    await Promise.all(processes.map(process => process.kill().then(() => process.stop())))
    await this.#log.close()
  }

  #start(program: string): Promise<ChildProcess> {
    return startChildProcess(new URL(program, import.meta.url), {
      arguments: [JSON.stringify(this.#settings)],
      signalTimeoutMs: 240_000,
    })
  }

  #stuck(handled: number): Error {
    const processes = [this.publisher, ...this.members].filter(process => !process.hasEnded)
    const logs = processes.map(process => `${process.pid}:\n${process.log()}`).join('\n')
    return new Error(`Nothing moves: ${handled} of ${this.#settings.load.events} events handled.\n${logs}`)
  }
}
