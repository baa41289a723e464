import { startPostgres, startRedis } from '@mekong/stack'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faults } from './faults.ts'
import { type Ground, type RunOptions, startRun } from './run.ts'

const usual: RunOptions = {
  load: { events: 20_000, keys: 500 },
  eventsPerSecond: 2_000,
  once: 'inbox',
  slowMs: 0,
  members: 2,
}

/** Every fault, on a broker of its own that lives as long as the suite. */
export function describeFaults(name: string, startBroker: () => Promise<Ground['broker']>): void {
  const runsAll = process.env['MEKONG_FAULTS'] === 'all'

  describe(`under load on ${name}`, () => {
    let ground: Ground
    const started: AsyncDisposable[] = []

    beforeAll(async () => {
      const [broker, postgres, redis] = await Promise.all([startBroker(), startPostgres(), startRedis()])
      started.push(broker, postgres, redis)
      ground = { broker, postgres, redis, flushRedis: () => flush(redis.url) }
    }, 120_000)

    afterAll(() => Promise.all(started.map(server => server[Symbol.asyncDispose]())))

    for (const fault of faults) {
      it(`nothing is lost, repeated or out of order when ${fault.name}`, { timeout: 240_000 }, async context => {
        if (!fault.isQuick && !runsAll) context.skip('takes long: npm run test:faults')
        const run = await startRun(ground, { ...usual, ...fault.options })
        try {
          await fault.strike(run)
          const { repeated, ...verdict } = await run.drain()
          const { events } = usual.load
          expect(verdict).toMatchObject({ confirmed: events, lost: [], inverted: [] })
          expect(fault.repeatedBecause === undefined ? repeated : []).toEqual([])
        } finally {
          await run.close()
        }
      })
    }
  })
}

async function flush(url: string): Promise<void> {
  const redis = new Redis(url)
  await redis.flushall()
  await redis.quit()
}
