import { describeHoldStore, describeScheduleStore, type StoreHarness } from '@mekong/testing/stores'
import { postgresHold, postgresSchedule, type Sql } from '../src/index.ts'
import { testDatabase } from './database.ts'

async function harness<Store>(open: (sql: Sql) => Store): Promise<StoreHarness<Store>> {
  // Each client takes a new connection for every step, as a pooler in transaction mode may give.
  const database = await testDatabase({ max: 20, maxUses: 1 })
  const { sql } = database
  const now = async (): Promise<number> => {
    const [row] = await sql.query<{ ms: number }>('select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms')
    return row!.ms
  }
  return {
    open: () => open(sql),
    now,
    async passTime(ms) {
      await sql.query('select pg_sleep($1::float8 / 1000)', [ms])
    },
    shortLeaseMs: 400,
    close: async () => database[Symbol.asyncDispose](),
  }
}

describeHoldStore('postgresHold', () => harness(sql => postgresHold({ sql })))
describeScheduleStore('postgresSchedule', () => harness(sql => postgresSchedule({ sql })))
