import { isMekongError } from '@mekong/core'
import { pgColumns } from './pg-columns.ts'
import type { PgPool, PgPoolClient } from './pg.ts'
import { sqlFailure, storeUnavailable } from './sql-failure.ts'

/** What is read of a pg result. */
export interface PgResult {
  readonly command: string
  readonly rows: readonly Readonly<Record<string, unknown>>[]
}

/** A client while it is checked out: knows whether it is still good for the next one. */
export interface PgConnection {
  readonly client: PgPoolClient
  /** One statement, or several in one message where there are no parameters. Rejects with a `sqlFailure`. */
  send(text: string, parameters?: readonly unknown[]): Promise<readonly PgResult[]>
  readonly isBroken: boolean
  /** Nobody shall get this one again. */
  condemn(error: Error): void
  /** Gives it back to the pool, or has it closed if it is broken. Called once. */
  release(): void
}

/** Checks a client out. Rejects with STORE_UNAVAILABLE when that fails or takes too long. */
export async function openConnection(pool: PgPool, timeoutMs: number): Promise<PgConnection> {
  const client = await checkOut(pool, timeoutMs)
  let broken: Error | undefined
  const condemn = (error: Error): void => {
    broken ??= error
  }
  // pg does not tell the pool of an error on a client that is checked out (node-postgres #3202).
  client.on('error', condemn)
  return {
    client,
    condemn,
    get isBroken() {
      return broken !== undefined
    },
    async send(text, parameters) {
      try {
        return await send(client, { text, parameters, timeoutMs })
      } catch (error) {
        if (isMekongError(error) && error.code === 'STORE_UNAVAILABLE') condemn(error)
        throw error
      }
    },
    release() {
      client.removeListener('error', condemn)
      client.release(broken)
    },
  }
}

/** Sends through a client, with answers that do not depend on type parsers set elsewhere. */
export async function send(
  client: Pick<PgPoolClient, 'query'>,
  statement: {
    readonly text: string
    readonly parameters?: readonly unknown[] | undefined
    readonly timeoutMs?: number
  },
): Promise<readonly PgResult[]> {
  const { text, parameters = [], timeoutMs } = statement
  try {
    const answer = await client.query({
      text,
      types: pgColumns,
      ...(parameters.length > 0 && { values: [...parameters] }),
      ...(timeoutMs !== undefined && { query_timeout: timeoutMs }),
    })
    return (Array.isArray(answer) ? answer : [answer]) as readonly PgResult[]
  } catch (error) {
    throw sqlFailure(error)
  }
}

function checkOut(pool: PgPool, timeoutMs: number): Promise<PgPoolClient> {
  return new Promise((resolve, reject) => {
    let isTooLate = false
    const timer = setTimeout(() => {
      isTooLate = true
      reject(storeUnavailable(undefined))
    }, timeoutMs)
    const deliver = (client: PgPoolClient): void => {
      clearTimeout(timer)
      if (isTooLate) client.release()
      else resolve(client)
    }
    pool.connect().then(deliver, error => {
      clearTimeout(timer)
      reject(storeUnavailable(error))
    })
  })
}
