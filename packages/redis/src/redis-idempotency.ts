import {
  type Claim,
  type ClaimAnswer,
  type ClaimRequest,
  type IdempotencyStore,
  MekongError,
} from '@mekong/core/driver'
import { weaknesses } from './check-settings.ts'
import { LossWatch } from './loss-watch.ts'
import { type Item, packItems, type Parcel } from './parcel.ts'
import { RedisCalls } from './redis-calls.ts'
import { connectionTo } from './redis-client.ts'
import {
  invalid,
  type RedisIdempotencyOptions,
  type ResolvedRedisIdempotencyOptions,
  resolveOptions,
} from './redis-idempotency-options.ts'
import type { Script } from './scripts/script.ts'
import { claimAnswers, claimScript, completeScript, extendScript, holdScript, releaseScript } from './scripts/steps.ts'

export interface RedisIdempotency extends IdempotencyStore, AsyncDisposable {
  /**
   * What in the settings of this Redis weakens what the store promises, in sentences; none is good. The store looks by
   * itself after its first answer and says them as `notice` to `observe`. Of a cluster one node is asked.
   */
  check(): Promise<readonly string[]>
  /** Ends the client, if it is the store's own. What is in flight rejects. The bus does not call it. */
  close(): Promise<void>
}

/**
 * Remembers what was handled in a Redis, 6 or newer, or a Redis Cluster. See IdempotencyStore for what it does; each call is
 * one round trip, or one to each bucket at the same time in a cluster.
 * @throws MekongError INVALID_CONFIGURATION
 */
export function redisIdempotency(options: RedisIdempotencyOptions): RedisIdempotency {
  return new RedisStore(resolveOptions(options))
}

class RedisStore implements RedisIdempotency {
  readonly durable = true
  readonly retentionMs: number
  readonly #options: ResolvedRedisIdempotencyOptions
  readonly #calls: RedisCalls
  readonly #losses: LossWatch
  #apart: boolean
  #isChecked = false

  constructor(options: ResolvedRedisIdempotencyOptions) {
    const { retentionMs, deadlineMs, clock } = options
    const connection = connectionTo(options.redis, deadlineMs)
    this.retentionMs = retentionMs
    this.#options = options
    this.#calls = new RedisCalls({ connection, deadlineMs, clock })
    this.#losses = new LossWatch(retentionMs)
    this.#apart = connection.client.isCluster === true
  }

  async claim(requests: readonly ClaimRequest[]): Promise<readonly ClaimAnswer[]> {
    const items = requests.map(({ identity, token, leaseMs, from }) => ({
      identity,
      token,
      flag: from === 'held' ? (1 as const) : (0 as const),
      number: this.#lease(leaseMs),
    }))
    return this.#run(claimScript, items, { size: 2, read: readClaimAnswer })
  }

  async extend(claims: readonly Claim[], leaseMs: number): Promise<readonly boolean[]> {
    return this.#run(extendScript, claims.map(fenced), isOne, [String(this.#lease(leaseMs))])
  }

  complete(claims: readonly Claim[]): Promise<readonly boolean[]> {
    return this.#run(completeScript, claims.map(fenced), isOne)
  }

  hold(claims: readonly Claim[]): Promise<readonly boolean[]> {
    return this.#run(holdScript, claims.map(fenced), isOne)
  }

  async release(claims: readonly Claim[]): Promise<void> {
    await this.#run(releaseScript, claims.map(fenced), isOne)
  }

  check(): Promise<readonly string[]> {
    return this.#calls.call('check', async client =>
      weaknesses(`${await client.info('memory')}\n${await client.info('persistence')}`),
    )
  }

  async close(): Promise<void> {
    this.#calls.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #lease(leaseMs: number): number {
    if (leaseMs >= 0 && leaseMs <= this.retentionMs) return Math.ceil(leaseMs)
    throw invalid(`a lease of ${leaseMs} ms is longer than retentionMs, ${this.retentionMs}`)
  }

  /** Answers by index. */
  async #run<T>(
    script: Script,
    items: readonly Item[],
    answers: Answers<T>,
    more: readonly string[] = [],
  ): Promise<T[]> {
    const parcels = packItems(items, { heads: this.#options.heads, apart: this.#apart })
    const results = Array.from<T>({ length: items.length })
    const send = async (parcel: Parcel): Promise<void> => {
      const reply = await this.#calls.run(script, parcel.keys, [parcel.bytes, String(this.retentionMs), ...more])
      this.#read(reply, parcel, answers).forEach((answer, index) => {
        results[parcel.places[index] ?? 0] = answer
      })
    }
    try {
      await Promise.all(parcels.map(send))
    } catch (error) {
      if (this.#apart || !isCrossSlot(error)) throw error
      // A cluster behind a proxy: it does not show before.
      this.#apart = true
      return this.#run(script, items, answers, more)
    }
    if (items.length > 0) this.#checkOnce()
    return results
  }

  #read<T>(reply: unknown, { keys, places }: Parcel, { size, read }: Answers<T>): T[] {
    if (!Array.isArray(reply) || reply.length !== keys.length + places.length * size) {
      throw new MekongError('STORE_UNAVAILABLE', 'redisIdempotency: the reply of Redis is not what was asked for')
    }
    const numbers = reply.map(Number)
    if (this.#losses.see(keys, numbers.slice(0, keys.length), this.#options.clock.monotonic())) {
      this.#notice(
        'Redis has lost what it remembered (a flush, an eviction, a restart without its data): events that were ' +
          'handled before are handled again if they come again',
      )
    }
    return places.map((_, index) => read(numbers, keys.length + index * size))
  }

  #checkOnce(): void {
    if (this.#isChecked) return
    this.#isChecked = true
    void this.check().then(
      found => found.forEach(message => this.#notice(message)),
      () => this.#notice('the settings of Redis cannot be checked: INFO was refused'),
    )
  }

  #notice(message: string): void {
    try {
      this.#options.observe({ is: 'notice', message: `redisIdempotency: ${message}` })
    } catch {
      // As the bus does: an observer's errors are its own.
    }
  }
}

/** How many numbers of a reply are one answer, and which. */
interface Answers<T> {
  readonly size: number
  readonly read: (numbers: readonly number[], at: number) => T
}

const isOne: Answers<boolean> = { size: 1, read: (numbers, at) => numbers[at] === 1 }

function readClaimAnswer(numbers: readonly number[], at: number): ClaimAnswer {
  const is = claimAnswers[numbers[at] ?? -1]
  const number = numbers[at + 1] ?? 0
  switch (is) {
    case 'mine':
    case 'takeover':
      return { is: 'mine', fence: number, takeover: is === 'takeover' }
    case 'busy':
      return { is, forMs: number }
    case 'done':
    case 'held':
      return { is }
    default:
      throw new MekongError('STORE_UNAVAILABLE', 'redisIdempotency: the reply of Redis is not what was asked for')
  }
}

function fenced({ identity, token, fence }: Claim): Item {
  // No record has the fence 0.
  return { identity, token, flag: 0, number: Number.isSafeInteger(fence) && fence > 0 ? fence : 0 }
}

function isCrossSlot(error: unknown): boolean {
  return error instanceof MekongError && error.message.includes('CROSSSLOT')
}
