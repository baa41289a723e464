import { isMekongError, MekongError } from '@mekong/core'
import { inlineParameters } from './inline-parameters.ts'
import type { PgConnection, PgResult } from './pg-connection.ts'
import { refused } from './sql-failure.ts'
import type { Answers, Statement, Transaction, TransactionOptions } from './sql.ts'

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
  try {
    const value = await work(tx, await begin(connection, options))
    ended = true
    await commit(
      connection,
      last.flatMap(statements => statements()),
    )
    for (const run of committed) run()
    return value
  } catch (error) {
    ended = true
    // A broken connection is closed instead, which rolls back as well.
    if (!connection.isBroken) await connection.send('rollback').catch(failure => connection.condemn(failure))
    throw error
  }
}

// One message: what stands behind a BEGIN that failed (cancelled, timed out) is then not run at all. Sent apart, it would
// run in a transaction of its own, and a claim would stay behind without its effect.
async function begin(connection: PgConnection, options: TransactionOptions): Promise<Answers> {
  const settings = [
    ['lock_timeout', options.lockTimeoutMs],
    ['statement_timeout', options.statementTimeoutMs],
    ['idle_in_transaction_session_timeout', options.idleTimeoutMs],
  ] as const
  const set = settings.flatMap(([name, ms]) => (ms === undefined ? [] : [`set local ${name} = ${wholeMs(name, ms)}`]))
  const statements = (options.begin ?? []).map(inlineParameters)
  const results = await connection.send(['begin', ...set, ...statements].join('; '))
  return results.slice(1 + set.length).map(result => result.rows)
}

// Zero would switch the timeout off.
function wholeMs(name: string, ms: number): number {
  if (ms > 0 && ms <= 2_147_483_647) return Math.ceil(ms)
  throw new MekongError('INVALID_CONFIGURATION', `${name} is 1 to 2147483647 ms; got ${ms}`)
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
  return connection.send('commit').catch(throwCommitFailure)
}

// Should a statement fail, Postgres answers the COMMIT behind it with ROLLBACK: its answer is the truth about all of them.
async function commitAtOnce(connection: PgConnection, statements: readonly Statement[]): Promise<readonly PgResult[]> {
  statements.forEach(refuseUnsendable)
  const sending = statements.map(({ text, parameters }) => connection.send(text, parameters))
  const [committed, ...earlier] = await Promise.allSettled([connection.send('commit'), ...sending])
  if (committed.status === 'rejected') return throwCommitFailure(committed.reason)
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

function throwCommitFailure(error: unknown): never {
  if (!isMekongError(error) || error.code !== 'STORE_UNAVAILABLE') throw error
  const message = 'The connection to Postgres was lost during COMMIT: whether the transaction took effect is unknown'
  throw new MekongError('STORE_UNAVAILABLE', message, { retryable: true, cause: error })
}
