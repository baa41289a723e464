import type { ProvidedContext } from 'vitest'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the Postgres that all suites of the run share: `freshDatabase(inject('postgresUrl'))`. */
    readonly postgresUrl: string
    /** For `sharedKafka` and the like. */
    readonly sharedServersUrl: string
    /** Whether the run is one of all tests, for which the shared servers are started before anybody asks. */
    readonly runsEverything?: boolean
  }
}

/** What the global setup provides to tests. */
export type ProvidedPostgres = Pick<ProvidedContext, 'postgresUrl'>
