import { MekongError } from '@mekong/core'
import { commitFailure } from './commit-failure.ts'
import { sqlFailure } from './sql-failure.ts'
import type { Query, Sql, Statement, Transaction, TransactionOptions } from './sql.ts'
import { transactionSettings } from './transaction-settings.ts'

/** What a client library has to offer for the seam. */
export interface SqlClient<Native> {
  /** Runs one statement with `$1`, `$2`, …: on its own, or in the transaction of `native`. Rejects with the library's error. */
  run(text: string, parameters: readonly unknown[], native: Native | undefined): Promise<readonly unknown[]>
  /** Opens a transaction, commits it when `work` resolves and rolls it back when it rejects, with its error. */
  transaction<T>(work: (native: Native) => Promise<T>): Promise<T>
}

/**
 * The seam over any client library. The settings of a transaction, each first and each last statement cost a round trip
 * of their own, and so does a look before COMMIT whether the transaction still can.
 */
export function sqlOver<Native>(client: SqlClient<Native>): Sql {
  const queryIn =
    (native: Native | undefined): Query =>
    async <Row>(text: string, parameters: readonly unknown[] = []) => {
      try {
        return (await client.run(text, parameters, native)) as readonly Row[]
      } catch (error) {
        throw sqlFailure(error)
      }
    }

  return {
    query: queryIn(undefined),
    async transaction(work, options = {}) {
      const committed: (() => void)[] = []
      let failure: { readonly error: unknown } | undefined
      let isWorkDone = false
      try {
        const value = await client.transaction(async native => {
          const last = options.commit === undefined ? [] : [options.commit]
          const query = queryIn(native)
          const tx: Transaction = {
            query: endable(query, () => isWorkDone),
            native,
            beforeCommit: statements => void last.push(statements),
            afterCommit: run => void committed.push(run),
          }
          try {
            const answers = await begin(query, options)
            const result = await work(tx, answers)
            isWorkDone = true
            await runEach(
              query,
              last.flatMap(statements => statements()),
            )
            // Rejects if a statement has failed and nobody passed that on: COMMIT would roll back, and libraries resolve.
            await query('select 1')
            return result
          } catch (error) {
            failure = { error }
            throw error
          } finally {
            isWorkDone = true
          }
        })
        for (const run of committed) run()
        return value
      } catch (error) {
        if (failure !== undefined) throw failure.error
        throw isWorkDone ? commitFailure(error) : sqlFailure(error)
      }
    },
  }
}

function endable(query: Query, hasEnded: () => boolean): Query {
  return async <Row>(text: string, parameters?: readonly unknown[]) => {
    if (hasEnded()) throw new MekongError('INVALID_STATE', 'A statement came after the end of its transaction')
    return query<Row>(text, parameters)
  }
}

async function begin(query: Query, options: TransactionOptions): Promise<readonly (readonly unknown[])[]> {
  const settings = transactionSettings(options)
  if (settings.length > 0) {
    await query(`select ${settings.map(([name, ms]) => `set_config('${name}', '${ms}', true)`).join(', ')}`)
  }
  return runEach(query, options.begin ?? [])
}

async function runEach(query: Query, statements: readonly Statement[]): Promise<readonly (readonly unknown[])[]> {
  const answers: (readonly unknown[])[] = []
  for (const { text, parameters } of statements) answers.push(await query(text, parameters))
  return answers
}
