import type { Sql, Transaction } from '@mekong/postgres'

/** Thrown where a process might have died. */
export class Crash extends Error {}

export interface CrashingSql {
  readonly sql: Sql
  /** How many places there were. */
  readonly places: () => number
}

/**
 * A seam that breaks at its nth place: before or after a statement is run, before COMMIT, and after it. What was not
 * committed by then is rolled back, as when the process is gone.
 */
export function crashingSql(sql: Sql, at: number): CrashingSql {
  let place = 0
  const pass = (): void => {
    if (++place === at) throw new Crash(`place ${at}`)
  }
  const query: Sql['query'] = async <Row>(text: string, parameters?: readonly unknown[]) => {
    pass()
    const rows = await sql.query<Row>(text, parameters)
    pass()
    return rows
  }
  return {
    places: () => place,
    sql: {
      query,
      async transaction(work, options) {
        pass()
        const value = await sql.transaction(async (tx, answers) => {
          pass()
          const inside: Transaction['query'] = async <Row>(text: string, parameters?: readonly unknown[]) => {
            pass()
            const rows = await tx.query<Row>(text, parameters)
            pass()
            return rows
          }
          const done = await work({ ...tx, query: inside }, answers)
          pass()
          return done
        }, options)
        pass()
        return value
      },
    },
  }
}
