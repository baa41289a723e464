import { MekongError } from '@mekong/core'
import { commitFailure } from './commit-failure.ts'
import { inlineParameters } from './inline-parameters.ts'
import type { PgConnection, PgResult } from './pg-connection.ts'
import { refused } from './sql-failure.ts'
import type { Answers, Statement, Transaction, TransactionOptions } from './sql.ts'
import { transactionSettings } from './transaction-settings.ts'

/** BEGIN, work, COMMIT or ROLLBACK on one connection. */
export async function runTransaction<T>(
  connection: PgConnection,
  work: (tx: Transaction, answers: Answers) => Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  const last = options.commit === undefined ? [] : [options.commit]
  const committed: (() => void)[] = []
  let ended = false
  const query: Transaction['query'] = async <Row>(text: string, parameters?: readonly unknown[]) => {
    if (ended) throw new MekongError('INVALID_STATE', 'A statement came after the end of its transaction')
    const [result] = await connection.send(text, parameters)
    return (result?.rows ?? []) as readonly Row[]
  }
  const tx: Transaction = {
    query,
    native: connection.client,
    beforeCommit: statements => void last.push(statements),
    afterCommit: run => void committed.push(run),
  }
  const value = await orRollback(connection, async () => {
    const result = await work(tx, await begin(connection, options)).finally(() => {
      ended = true
    })
    await commit(
      connection,
      last.flatMap(statements => statements()),
    )
    return result
  })
  for (const run of committed) run()
  return value
}

async function orRollback<T>(connection: PgConnection, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    // A broken connection is closed instead, which rolls back as well.
    if (!connection.isBroken) await connection.send('rollback').catch(failure => connection.condemn(failure))
    throw error
  }
}

// One message: what stands behind a BEGIN that failed (cancelled, timed out) is then not run at all. Sent apart, it would
// run in a transaction of its own, and a claim would stay behind without its effect.
async function begin(connection: PgConnection, options: TransactionOptions): Promise<Answers> {
  const set = transactionSettings(options).map(([name, ms]) => `set local ${name} = ${ms}`)
  const statements = (options.begin ?? []).map(inlineParameters)
  const results = await connection.send(['begin', ...set, ...statements].join('; '))
  return results.slice(1 + set.length).map(result => result.rows)
}

async function commit(connection: PgConnection, statements: readonly Statement[]): Promise<void> {
  const isPipelining = connection.client.pipeline === true
  const [committed] = isPipelining
    ? await commitAtOnce(connection, statements)
    : await commitInTurn(connection, statements)
  if (committed?.command === 'COMMIT') return
  throw refused('25P02', 'Rolled back instead of committed: a statement had failed, and its error was not passed on')
}

async function commitInTurn(connection: PgConnection, statements: readonly Statement[]): Promise<readonly PgResult[]> {
  for (const { text, parameters } of statements) await connection.send(text, parameters)
  return connection.send('commit').catch(error => {
    throw commitFailure(error)
  })
}

// Should a statement fail, Postgres answers the COMMIT behind it with ROLLBACK: its answer is the truth about all of them.
async function commitAtOnce(connection: PgConnection, statements: readonly Statement[]): Promise<readonly PgResult[]> {
  statements.forEach(refuseUnsendable)
  const sending = statements.map(({ text, parameters }) => connection.send(text, parameters))
  const [committed, ...earlier] = await Promise.allSettled([connection.send('commit'), ...sending])
  if (committed.status === 'rejected') throw commitFailure(committed.reason)
  if (committed.value[0]?.command === 'COMMIT') return committed.value
  for (const outcome of earlier) if (outcome.status === 'rejected') throw outcome.reason
  return committed.value
}

// What pg would refuse by itself never reaches Postgres, so that COMMIT would go through without it.
function refuseUnsendable({ parameters = [] }: Statement): void {
  for (const parameter of parameters.flat()) {
    if (parameter === null || parameter instanceof Uint8Array) continue
    if (typeof parameter === 'object' || typeof parameter === 'symbol' || typeof parameter === 'function') {
      throw new TypeError(
        'A parameter of a last statement is a string, number, boolean, null, bytes or an array of these',
      )
    }
  }
}
