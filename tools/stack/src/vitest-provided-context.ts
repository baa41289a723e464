import type { ProvidedContext } from 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the Postgres that all suites of the run share: `freshDatabase(inject('postgresUrl'))`. */
    readonly postgresUrl: string
  }
}

/** What the global setup provides to tests. */
export type ProvidedPostgres = Pick<ProvidedContext, 'postgresUrl'>
