import { printMigrations } from '@mekong/postgres'
import { expect, it } from 'vitest'
import { outboxMigrations } from '../src/index.ts'

it('makes as many leaves as are asked for', () => {
  const sql = printMigrations(outboxMigrations({ leaves: 3, buckets: 32 }), { schema: 'shop' })
  expect(sql.match(/partition of "shop"\."outbox" /g)).toHaveLength(3)
  expect(sql.match(/partition of "shop"\."outbox_delivered" /g)).toHaveLength(3)
  expect(sql).toContain('& 31')
})

it.each([{ leaves: 2 }, { leaves: 65 }, { leaves: 3.5 }, { buckets: 12 }, { buckets: 0 }, { buckets: 2048 }])(
  'refuses %j',
  options => {
    expect(() => outboxMigrations(options)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION' }))
  },
)
