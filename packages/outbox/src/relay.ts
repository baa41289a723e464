import { randomUUID } from 'node:crypto'
import { type Clock, MekongError, systemClock } from '@mekong/core'
import { messageOf, wait } from '@mekong/core/driver'
import { defaultSchema, tablesOf } from '@mekong/postgres'
import { type Backlog, isAllDelivered, readBacklog } from './backlog.ts'
import { type DatabaseIdentity, identifyDatabase } from './database-identity.ts'
import { createDeadEvents, type DeadEvents } from './dead-events.ts'
import type { Database } from './read.ts'
import { type RelayOptions, type RelayTuning, resolveRelayTuning } from './relay-options.ts'
import { type RelayRun, runRelay } from './relay-run.ts'
import type { RelayObserver } from './relay-signal.ts'

/** Takes what outboxes hold to the broker. Any number of them share the work, in as many processes. */
export interface Relay extends AsyncDisposable {
  /**
   * Resolves once it takes part; its first buckets come in a moment later.
   * @throws MekongError INVALID_CONFIGURATION without the tables, INVALID_STATE after close, STORE_UNAVAILABLE
   */
  start(): Promise<void>
  /** Starts nothing more, waits for what is with the broker, hands its buckets on. Idempotent. */
  close(options?: RelayCloseOptions): Promise<void>
  /** There is something to publish: looks at once instead of at its next poll. */
  wake(): void
  /**
   * Resolves when nothing that is committed waits for any relay: all is delivered, or stands behind a dead event. For tests
   * and for the end of a run. Rejects with the reason of `signal`, and with INVALID_STATE when this relay does not run.
   */
  idle(signal?: AbortSignal): Promise<void>
  /** Walks everything in the outbox: for a dashboard every so often. */
  stats(): Promise<RelayStats>
  health(): RelayHealth
  readonly dead: DeadEvents
}

export interface RelayCloseOptions {
  /** How long to wait for the broker; what has no answer then is published again by whoever is next. @default 10,000 */
  readonly timeoutMs?: number | undefined
}

/** What `Backlog` says is of the outbox, for all relays together; the rest is of this relay. */
export interface RelayStats extends Backlog {
  readonly buckets: readonly number[]
  /** Read, and not yet marked as delivered. */
  readonly inHand: number
  readonly blockedKeys: number
}

export interface RelayHealth {
  readonly status: 'created' | 'ok' | 'degraded' | 'closed'
  /** One line for each thing that is wrong. */
  readonly problems: readonly string[]
}

/** @throws MekongError INVALID_CONFIGURATION */
export function createRelay(options: RelayOptions): Relay {
  return new OutboxRelay(options)
}

const IDLE_POLL_MS = 20

class OutboxRelay implements Relay {
  readonly dead: DeadEvents
  readonly #options: RelayOptions
  readonly #tuning: RelayTuning
  readonly #clock: Clock
  readonly #database: Database
  readonly #troubles = new Map<string, string>()
  readonly #observe: RelayObserver
  #run: RelayRun | undefined
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #unsubscribe: readonly (() => void)[] = []

  constructor(options: RelayOptions) {
    const { sql, schema, tuning, clock = systemClock, observe } = options
    this.#options = options
    this.#tuning = resolveRelayTuning(tuning)
    this.#clock = clock
    this.#database = { query: sql.query, table: tablesOf(schema) }
    this.#observe = signal => {
      if (signal.is === 'forward-failed') this.#troubles.set('broker', `${signal.topic}: ${messageOf(signal.error)}`)
      if (signal.is === 'forwarded' && signal.published > 0) this.#troubles.delete('broker')
      try {
        observe?.(signal)
      } catch {
        // Somebody who only watches cannot stop what he watches.
      }
    }
    this.dead = createDeadEvents(sql.query, this.#database.table, () => this.#run?.wakeBlocked())
  }

  start(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(notRunning())
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    const { sql, eventBus, schema = defaultSchema, owner = randomUUID(), wakeOn = [] } = this.#options
    const { table } = this.#database
    const identify = (): Promise<DatabaseIdentity> => identifyDatabase(sql, table, this.#observe)
    const identity = await identify().catch((error: unknown) => {
      this.#starting = undefined
      throw error
    })
    if (this.#closing !== undefined) throw notRunning()
    this.#run = runRelay({
      sql,
      schema,
      table,
      eventBus,
      owner,
      identity,
      identify,
      tuning: this.#tuning,
      clock: this.#clock,
      observe: this.#observe,
      trouble: (where, error) => {
        if (error === undefined) this.#troubles.delete(where)
        else this.#troubles.set(where, `database, ${where}: ${messageOf(error)}`)
      },
    })
    this.#unsubscribe = wakeOn.map(source => source.onPublished(() => this.wake()))
  }

  close({ timeoutMs = 10_000 }: RelayCloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    await this.#starting?.catch(() => {})
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    await this.#run?.stop(timeoutMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  wake(): void {
    this.#run?.wake()
  }

  async idle(signal?: AbortSignal): Promise<void> {
    while (true) {
      signal?.throwIfAborted()
      if (this.#run === undefined || this.#closing !== undefined) throw notRunning()
      this.wake()
      if (this.#inHand() === 0 && (await isAllDelivered(this.#database))) return
      await wait(this.#clock, IDLE_POLL_MS, signal)
    }
  }

  async stats(): Promise<RelayStats> {
    const backlog = await readBacklog(this.#database)
    const buckets = Array.from(this.#run?.buckets.keys() ?? []).toSorted((a, b) => a - b)
    return { ...backlog, buckets, inHand: this.#inHand(), blockedKeys: this.#run?.blockedKeys ?? 0 }
  }

  health(): RelayHealth {
    if (this.#closing !== undefined) return { status: 'closed', problems: [] }
    if (this.#run === undefined) return { status: 'created', problems: [] }
    const problems = Array.from(this.#troubles.values())
    const { blockedKeys } = this.#run
    if (blockedKeys > 0) problems.push(`${blockedKeys} blocked ${blockedKeys === 1 ? 'key' : 'keys'}: see dead.list()`)
    return { status: problems.length === 0 ? 'ok' : 'degraded', problems }
  }

  #inHand(): number {
    let rows = 0
    for (const bucket of this.#run?.buckets.values() ?? []) rows += bucket.rows
    return rows
  }
}

function notRunning(): MekongError {
  return new MekongError('INVALID_STATE', 'The relay does not run: it was not started, or it was closed')
}
