import { startPostgres, startRedis } from '@mekong/stack'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faults } from './faults.ts'
import { type Ground, type RunOptions, startRun } from './run.ts'

/** What is to be disturbed. */
export interface FaultedBroker {
  readonly start: () => Promise<Ground['broker']>
  /** Added to its URL: the client library, times. @default none */
  readonly parameters?: Readonly<Record<string, string>>
  /** Whether a member that joins is always given a part of the work. */
  readonly sharesWork: boolean
  /** How long a handler takes that takes too long. */
  readonly slowMs: number
  /** Whether `npm test` leaves all of them to `npm run test:faults`. @default false */
  readonly takesLong?: boolean
}

const usual: Omit<RunOptions, 'slowMs'> = {
  load: { events: 20_000, keys: 500 },
  eventsPerSecond: 2_000,
  once: 'inbox',
  members: 2,
}

/** Every fault, on a broker of its own that lives as long as the suite. */
export function describeFaults(name: string, faulted: FaultedBroker): void {
  const { slowMs, sharesWork, takesLong = false } = faulted
  const runsAll = process.env['MEKONG_FAULTS'] === 'all'

  describe(`under load on ${name}`, () => {
    let ground: Ground
    const started: AsyncDisposable[] = []

    beforeAll(async () => {
      if (takesLong && !runsAll) return
      const [broker, postgres, redis] = await Promise.all([faulted.start(), startPostgres(), startRedis()])
      started.push(broker, postgres, redis)
      const brokerUrl = withParameters(broker.url, faulted.parameters)
      ground = { broker, brokerUrl, sharesWork, postgres, redis, flushRedis: () => flush(redis.url) }
    }, 120_000)

    afterAll(() => Promise.all(started.map(server => server[Symbol.asyncDispose]())))

    for (const fault of faults) {
      it(`nothing is lost, repeated or out of order when ${fault.name}`, { timeout: 240_000 }, async context => {
        if ((takesLong || !fault.isQuick) && !runsAll) context.skip('takes long: npm run test:faults')
        const run = await startRun(ground, { ...usual, slowMs: fault.isSlow === true ? slowMs : 0, ...fault.options })
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

function withParameters(url: string, parameters: FaultedBroker['parameters'] = {}): string {
  const query = new URLSearchParams(parameters).toString()
  return query === '' ? url : `${url}?${query}`
}

async function flush(url: string): Promise<void> {
  const redis = new Redis(url)
  await redis.flushall()
  await redis.quit()
}
