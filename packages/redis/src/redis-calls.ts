import { type Clock, MekongError, messageOf } from '@mekong/core/driver'
import { closingsOf } from './closings.ts'
import type { RedisClient, RedisConnection } from './redis-client.ts'
import type { Script } from './scripts/script.ts'

export interface RedisCallsOptions {
  readonly connection: RedisConnection
  readonly deadlineMs: number
  readonly clock: Clock
}

/**
 * Calls that settle: with the reply, or rejected when the connection closes or the deadline passes. ioredis alone leaves a
 * call for ever whose connection was cut, if it may not send it again (redis/ioredis#2193).
 */
export class RedisCalls {
  readonly #options: RedisCallsOptions
  readonly #inFlight = new Set<(error: unknown) => void>()
  #isClosed = false

  constructor(options: RedisCallsOptions) {
    this.#options = options
    closingsOf(options.connection.client).add(this.#abandon)
  }

  run(script: Script, keys: readonly string[], values: readonly (string | Buffer)[]): Promise<unknown> {
    return this.call(script.name, async client => {
      try {
        return await client.evalsha(script.sha, keys.length, ...keys, ...values)
      } catch (error) {
        if (!messageOf(error).startsWith('NOSCRIPT')) throw error
        return client.eval(script.source, keys.length, ...keys, ...values)
      }
    })
  }

  /** @throws MekongError STORE_UNAVAILABLE, INVALID_STATE after `close` */
  async call<Reply>(name: string, ask: (client: RedisClient) => Promise<Reply>): Promise<Reply> {
    if (this.#isClosed) throw new MekongError('INVALID_STATE', 'redisIdempotency is closed')
    const { clock, deadlineMs, connection } = this.#options
    let cancel = (): void => {}
    let giveUp = (_error: unknown): void => {}
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = reject
    })
    this.#inFlight.add(giveUp)
    try {
      cancel = clock.after(deadlineMs, () =>
        giveUp(because(`no answer within ${deadlineMs} ms`, connection.lastError())),
      )
      await Promise.race([connection.untilReady(), givenUp])
      return await Promise.race([ask(connection.client), givenUp])
    } catch (error) {
      throw unavailable(name, error)
    } finally {
      cancel()
      this.#inFlight.delete(giveUp)
    }
  }

  /** What is in flight rejects. */
  close(): void {
    this.#isClosed = true
    const { connection } = this.#options
    closingsOf(connection.client).delete(this.#abandon)
    this.#abandon()
    connection.close()
  }

  readonly #abandon = (): void => {
    const { lastError } = this.#options.connection
    for (const reject of this.#inFlight) reject(because('the connection was closed', lastError()))
  }
}

function because(what: string, reason: unknown): Error {
  return new Error(reason === undefined ? what : `${what}: ${messageOf(reason)}`)
}

/** Somebody has to change something before these go away. */
const lasting = /^(?:NOAUTH|NOPERM|WRONGPASS|WRONGTYPE|ERR)\b/

function unavailable(name: string, cause: unknown): MekongError {
  const message = messageOf(cause)
  return new MekongError('STORE_UNAVAILABLE', `redisIdempotency: ${name}: ${message}`, {
    cause,
    retryable: !lasting.test(message),
  })
}
