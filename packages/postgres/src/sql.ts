/**
 * Runs one statement with `$1`, `$2`, … and resolves with its rows. Parameters are strings, numbers, booleans, null and
 * Uint8Array. Portable across clients are columns of the types text, integer, double precision, boolean, bytea (a
 * Uint8Array), json and null: the packages of Mekong cast to these, since clients differ on the rest. A bigint is cast to
 * text.
 *
 * Rejects with what `sqlFailure` makes of the client's error: BUSY (a lock was not to be had in time, a deadlock, a
 * serialization failure), STORE_UNAVAILABLE (no connection, or lost), or a SqlError. None of them holds row values.
 */
export interface Query {
  <Row = Readonly<Record<string, unknown>>>(text: string, parameters?: readonly unknown[]): Promise<readonly Row[]>
}

/** What can stand for `$1` in a statement that is put off. */
export type Parameter = Scalar | readonly Scalar[]

export type Scalar = string | number | bigint | boolean | null | Uint8Array

/** The rows of each statement, by index. */
export type Answers = readonly (readonly unknown[])[]

/** A statement that somebody else runs. */
export interface Statement {
  readonly text: string
  readonly parameters?: readonly Parameter[] | undefined
}

/** An open transaction: what is done through it commits or rolls back together. One statement at a time. */
export interface Transaction {
  readonly query: Query
  /** The client's own handle of this transaction: pg's client, Drizzle's `tx`, … for the application's own statements. */
  readonly native: unknown
  /**
   * Statements to run last, just before COMMIT and, where the client can, in one round trip with it. Asked for once, when
   * the work is done. Undefined where somebody outside commits: then nothing can be put off, run the statement at once.
   */
  readonly beforeCommit?: ((statements: () => readonly Statement[]) => void) | undefined
  /** Runs once this transaction has committed, never if it has not; must not throw. Undefined as above. */
  readonly afterCommit?: ((run: () => void) => void) | undefined
}

/** The seam to a Postgres: everything that the packages of Mekong need of it. Needs no session state, so a pooler in transaction mode will do. */
export interface Sql {
  /** One statement, in a transaction of its own. */
  readonly query: Query
  /**
   * BEGIN, `work`, COMMIT; ROLLBACK if `work` rejects, with its error. `answers` has the rows of each `begin` statement.
   * Rejects with STORE_UNAVAILABLE, saying so, if the connection is lost while COMMIT is on its way: then nobody knows
   * whether it took effect, and the caller has to be safe to run again.
   */
  transaction<T>(work: (tx: Transaction, answers: Answers) => Promise<T>, options?: TransactionOptions): Promise<T>
}

/** Durations are milliseconds; those left out are as the connection has them. They end with the transaction. */
export interface TransactionOptions {
  /** How long a statement waits for a lock: BUSY after that. */
  readonly lockTimeoutMs?: number | undefined
  /** How long a statement may run. */
  readonly statementTimeoutMs?: number | undefined
  /** How long the transaction may sit idle before Postgres ends it with its connection, so that a stopped process frees its locks. */
  readonly idleTimeoutMs?: number | undefined
  /**
   * Run right behind BEGIN and, where the client can, in one round trip with it. None of them runs if BEGIN failed.
   * `$1` is replaced outside quotes only; comments and dollar quotes are refused.
   */
  readonly begin?: readonly Statement[] | undefined
  /** Run before COMMIT, ahead of those of `beforeCommit`. */
  readonly commit?: (() => readonly Statement[]) | undefined
}
