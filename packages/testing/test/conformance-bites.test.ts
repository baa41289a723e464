import type { Driver, Incoming } from '@mekong/core/driver'
import { createMemoryBroker } from '@mekong/core/memory'
import { describe, expect, it } from 'vitest'
import { driverCases, runCase, type ConformanceCase, type DriverHarness } from '../src/conformance/index.ts'
import { broken, changed, withMessages, withPublish, withSettlement, without } from './broken-drivers.ts'

const seed = 7

/** Each defect with a case that must find it. */
const defects: readonly {
  readonly defect: string
  readonly driver: (driver: Driver) => Driver
  readonly found: string
}[] = [
  {
    defect: 'loses a message',
    driver: driver =>
      broken(
        driver,
        withMessages(batch => batch.filter(message => textOf(message) !== '{"orderId":"k-2","n":1}')),
      ),
    found: 'gives every group every event',
  },
  {
    defect: 'says stored and stores nothing',
    driver: driver =>
      broken(
        driver,
        withPublish(() => []),
      ),
    found: 'resolves a publish when the broker stores the event, and delivers it as it was published',
  },
  {
    defect: 'stores a batch in another order',
    driver: driver =>
      broken(
        driver,
        withPublish(batch => batch.toReversed()),
      ),
    found: 'keeps order by key while handlers of other keys finish in any order',
  },
  {
    defect: 'hands over a batch in another order',
    driver: driver =>
      broken(
        driver,
        withMessages(batch => batch.toReversed()),
      ),
    found: 'keeps order by key while handlers of other keys finish in any order',
  },
  {
    defect: 'acknowledges on receipt',
    driver: driver =>
      broken(driver, {
        sink: (sink, settle) => ({
          messages: batch => {
            settle(batch, { is: 'acknowledge', durable: true })
            sink.messages(batch)
          },
        }),
      }),
    found: 'delivers again what a consumer was handling when it crashed',
  },
  {
    defect: 'acknowledges nothing',
    driver: driver =>
      broken(
        driver,
        withSettlement(settlement => (settlement.is === 'acknowledge' ? undefined : settlement)),
      ),
    found: 'gives back on close what was not settled, and nothing that was',
  },
  {
    defect: 'drops a header',
    driver: driver =>
      broken(
        driver,
        withPublish(batch => batch.map(message => ({ ...message, headers: { ...message.headers, tenant: '' } }))),
      ),
    found: 'keeps application headers, many and in any script',
  },
  {
    defect: 'drops a header on the way in',
    driver: driver =>
      broken(driver, {
        ...renamed(message => ({ headers: without(message.headers, 'tenant') })),
      }),
    found: 'keeps application headers, many and in any script',
  },
  {
    defect: 'takes bytes for text',
    driver: driver =>
      broken(
        driver,
        withPublish(batch =>
          batch.map(message => ({ ...message, body: Buffer.from(Buffer.from(message.body).toString('utf8')) })),
        ),
      ),
    found: 'carries empty and binary bodies byte for byte',
  },
  {
    defect: 'delivers before assigned resolves',
    driver: driver =>
      broken(driver, {
        sink: sink => ({
          assigned: async partition => void sink.assigned(partition),
        }),
      }),
    found: 'hands over nothing before assigned resolves, and nothing after close',
  },
  {
    defect: 'never redelivers',
    driver: driver =>
      broken(
        driver,
        withSettlement(settlement => (settlement.is === 'redeliver' ? undefined : settlement)),
      ),
    found: 'redelivers a message when it is told to, after its delay where it declares one',
  },
  {
    defect: 'redelivers at once what has a delay',
    driver: driver =>
      broken(
        driver,
        withSettlement(settlement => (settlement.is === 'redeliver' ? { ...settlement, afterMs: 0 } : settlement)),
      ),
    found: 'redelivers a message when it is told to, after its delay where it declares one',
  },
  {
    defect: 'delivers at once what is published with a delay',
    driver: driver =>
      broken(
        driver,
        withPublish(batch => batch.map(message => ({ ...message, delayMs: 0 }))),
      ),
    found: 'delivers a delayed publish no earlier than it is due, from the schedule where the broker has no delay',
  },
  {
    defect: 'ignores pause',
    driver: driver => broken(driver, { consumer: () => ({ pause: () => {} }) }),
    found: 'hands over no more of a partition that is paused, and goes on when it is resumed',
  },
  {
    defect: 'never resumes',
    driver: driver => broken(driver, { consumer: () => ({ resume: () => {} }) }),
    found: 'hands over no more of a partition that is paused, and goes on when it is resumed',
  },
  {
    defect: 'has one group for all',
    driver: driver =>
      broken(driver, {
        driver: inner => ({ subscribe: (options, sink) => inner.subscribe({ ...options, group: 'all' }, sink) }),
      }),
    found: 'gives every group every event',
  },
  {
    defect: 'declares a replay that it has not',
    driver: driver =>
      broken(driver, {
        driver: inner => ({ subscribe: (options, sink) => inner.subscribe({ ...options, from: 'latest' }, sink) }),
      }),
    found: 'replays what is retained as a group of its own, in order, while the live group stays where it is',
  },
  {
    defect: 'rejects a publish after close',
    driver: driver => {
      let isClosed = false
      return broken(driver, {
        driver: inner => ({
          close: async () => {
            isClosed = true
            await inner.close()
          },
          publish: (batch, timeoutMs) =>
            isClosed ? Promise.reject(new Error('closed')) : inner.publish(batch, timeoutMs),
        }),
      })
    },
    found: 'answers a publish after close with a fate',
  },
  {
    defect: 'creates topics when it verifies',
    driver: driver => broken(driver, { driver: inner => ({ topology: wish => inner.topology(wish, 'create') }) }),
    found: 'writes nothing when it verifies, and finds no difference after it created',
  },
]

describe('the conformance kit', () => {
  for (const { defect, driver, found } of defects) {
    it(`finds a driver that ${defect}`, { timeout: 20_000 }, async () => {
      await expect(runCase(caseNamed(found), { ...harness(driver), patienceMs: 400 }, seed)).rejects.toThrow(
        `MEKONG_SEED=${seed}`,
      )
    })
  }

  it('passes the same cases on the driver without a defect', async () => {
    for (const name of new Set(defects.map(({ found }) => found))) {
      expect(
        await runCase(
          caseNamed(name),
          harness(driver => driver),
          seed,
        ),
      ).toEqual({ is: 'passed' })
    }
  })

  it('skips a case whose fault cannot be injected, with the reason', async () => {
    const one = driverCases.flatMap(group => group.cases).find(({ needs }) => needs === 'restartBroker')
    expect(
      await runCase(
        one!,
        harness(driver => driver),
        seed,
      ),
    ).toEqual({ is: 'skipped', reason: 'not asked here' })
  })

  it('names every case once', () => {
    const names = driverCases.flatMap(group => group.cases.map(one => one.name))
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })
})

function harness(decorate: (driver: Driver) => Driver): DriverHarness {
  const broker = createMemoryBroker({ createTopics: 'declared' })
  const cannot = { cannot: 'not asked here' }
  let topics = 0
  return {
    createDriver: () => decorate(broker.driver()),
    uniqueTopic: prefix => `${prefix}-${++topics}`,
    faults: { connections: cannot, restartBroker: cannot, revoke: cannot, loseHandles: cannot },
  }
}

function caseNamed(name: string): ConformanceCase {
  const found = driverCases.flatMap(group => group.cases).find(one => one.name === name)
  if (found === undefined) throw new Error(`the kit has no case '${name}'`)
  return found
}

/** Messages with other fields, settled under the ones that the driver knows. */
function renamed(fields: (message: Incoming) => Partial<Incoming>): Parameters<typeof broken>[1] {
  const originals = new WeakMap<Incoming, Incoming>()
  return {
    sink: sink => ({
      messages: batch =>
        sink.messages(
          batch.map(message => {
            const copy = changed(message, fields(message))
            originals.set(copy, message)
            return copy
          }),
        ),
    }),
    consumer: consumer => ({
      settle: (batch, settlement) =>
        consumer.settle(
          batch.map(message => originals.get(message) ?? message),
          settlement,
        ),
    }),
  }
}

function textOf(message: Incoming): string {
  return new TextDecoder().decode(message.body)
}
