import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PreparedEvent } from '../../src/event/event.ts'
import type { Middleware } from '../../src/middleware.ts'
import type { Receipt } from '../../src/publish-options.ts'
import { compilePublish } from '../../src/publish/publish-chain.ts'
import { memorySchedule } from '../../src/schedule/memory-schedule.ts'
import { virtualClock } from '../virtual-clock.ts'
import { consuming, type Consuming } from '../consume/consuming.ts'

const codeOf = ({ error }: { error?: unknown }): string => (error as { code?: string }).code ?? String(error)

function publishedIds({ broker }: Consuming): readonly string[] {
  return broker.published.map(({ headers }) => headers['ce-id']!)
}

/** Takes as long as the event's own header says. */
function slow(clock: { after(ms: number, run: () => void): unknown }): Middleware {
  return {
    async publish(event, next) {
      const ms = Number(event.headers['takes'] ?? 0)
      if (ms > 0) await new Promise<void>(resolve => void clock.after(ms, resolve))
      return next(event)
    },
  }
}

function prepared(id: string, key: string | undefined, size = 10): PreparedEvent {
  return { id, type: 'order', topic: 'order', key, headers: { 'ce-id': id }, body: new Uint8Array(size) }
}

describe('publish middleware', () => {
  it('wraps in the order of the list, the first outermost', async () => {
    const steps: string[] = []
    const step = (name: string): Middleware => ({
      async publish(event, next) {
        steps.push(`${name} before`)
        const receipt = await next({ ...event, headers: { ...event.headers, [name]: 'was here' } })
        steps.push(`${name} after`)
        return receipt
      },
    })
    const bus = await consuming({ started: false, options: { middleware: [step('outer'), {}, step('inner')] } })
    await bus.bus.publish('order', 1)
    expect(steps).toEqual(['outer before', 'inner before', 'inner after', 'outer after'])
    expect(bus.broker.published[0]!.headers).toMatchObject({ outer: 'was here', inner: 'was here' })
  })

  it('does not reorder the events of one key, however long it takes for each', async () => {
    const clock = virtualClock()
    const bus = await consuming({ started: false, options: { clock, middleware: [slow(clock)] } })
    const publish = (id: string, key: string, takes: number): void =>
      void bus.bus.publish('order', 1, { id, key, headers: { takes: String(takes) } })
    publish('a1', 'a', 100)
    publish('a2', 'a', 10)
    publish('b1', 'b', 20)
    publish('a3', 'a', 0)
    await clock.advance(50)
    expect(publishedIds(bus)).toEqual(['b1'])
    await clock.advance(50)
    expect(publishedIds(bus)).toEqual(['b1', 'a1', 'a2', 'a3'])
  })

  it('lets those behind go on when it rejects, or never passes an event on', async () => {
    const clock = virtualClock()
    const stubborn: Middleware = {
      async publish(event, next) {
        if (event.id === 'a1') throw new Error('no key to encrypt with')
        return event.id === 'a2' ? { id: 'a2', type: 'order', topic: 'order' } : next(event)
      },
    }
    const bus = await consuming({ started: false, options: { clock, middleware: [slow(clock), stubborn] } })
    const results = Promise.allSettled(
      ['a1', 'a2', 'a3'].map(id => bus.bus.publish('order', 1, { id, key: 'a', headers: { takes: '10' } })),
    )
    await clock.advance(10)
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    expect(publishedIds(bus)).toEqual(['a3'])
  })

  it('keeps the order by key whatever each layer does', async () => {
    const layer = fc.constantFrom('passes', 'waits', 'waits long', 'throws', 'swallows', 'passes twice')
    const plan = fc.array(fc.tuple(fc.constantFrom('a', 'b', undefined), layer, layer), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(plan, async calls => {
        const clock = virtualClock()
        const act = (place: 1 | 2): Middleware => ({
          async publish(event, next) {
            const how = calls[Number(event.id)]![place]
            if (how === 'waits') await new Promise<void>(resolve => clock.after(5, resolve))
            if (how === 'waits long') await new Promise<void>(resolve => clock.after(50, resolve))
            if (how === 'throws') throw new Error('layer')
            if (how === 'swallows') return { id: event.id, type: '', topic: '' }
            if (how === 'passes twice') await next(event)
            return next(event)
          },
        })
        const sent: PreparedEvent[] = []
        const send = compilePublish([act(1), act(2)], async ({ id, type, topic, ...rest }): Promise<Receipt> => {
          sent.push({ id, type, topic, ...rest })
          return { id, type, topic }
        })
        const all = Promise.allSettled(calls.map(([key], index) => send(prepared(String(index), key), { delayMs: 0 })))
        await clock.advance(1000)
        await all
        for (const key of ['a', 'b']) {
          const firsts = [...new Set(sent.filter(event => event.key === key).map(({ id }) => Number(id)))]
          expect(firsts).toEqual(firsts.toSorted((one, other) => one - other))
        }
        const wanted = calls.flatMap(([, one, two], index) =>
          [one, two].some(how => how === 'throws' || how === 'swallows') ? [] : [String(index)],
        )
        expect(new Set(sent.map(({ id }) => id))).toEqual(new Set(wanted))
      }),
      { numRuns: 100 },
    )
  })
})

describe('publishMany', () => {
  const many = (count: number, keys = 3): { type: string; data: number; options: { id: string; key: string } }[] =>
    Array.from({ length: count }, (_, index) => ({
      type: 'order',
      data: index,
      options: { id: String(index), key: `k${index % keys}` },
    }))

  it('takes more events than the buffer does, in order', async () => {
    const bus = await consuming({
      started: false,
      options: { publish: { maxBufferedEvents: 10, maxInFlightEvents: 4, maxBatchEvents: 2 } },
    })
    const results = await bus.bus.publishMany(many(200))
    expect(results.every(({ is }) => is === 'published')).toBe(true)
    for (const key of ['k0', 'k1', 'k2']) {
      const ids = bus.broker.published
        .filter(message => message.key === key)
        .map(({ headers }) => Number(headers['ce-id']))
      expect(ids).toEqual(ids.toSorted((one, other) => one - other))
    }
  })

  it('takes more bytes than the buffer does', async () => {
    const bus = await consuming({ started: false, options: { publish: { maxBufferedBytes: 5000 } } })
    const events = many(50).map(event => ({ ...event, data: 'x'.repeat(1000) }))
    const results = await bus.bus.publishMany(events)
    expect(results.filter(({ is }) => is === 'failed')).toEqual([])
  })

  it('has single events refused meanwhile, which would overtake it', async () => {
    const bus = await consuming({ started: false, options: { publish: { maxBufferedEvents: 10 } } })
    bus.broker.on.publish = () => new Promise(() => undefined)
    void bus.bus.publishMany(many(20))
    await bus.clock.settle()
    await expect(bus.bus.publish('order', 1, { key: 'k1' })).rejects.toMatchObject({ code: 'BUFFER_FULL' })
  })

  it('sends nothing behind an event of its key that was too large, and everything ahead of it', async () => {
    const bus = await consuming({ started: false, options: { publish: { maxBufferedEvents: 2 } } })
    const events = many(9)
    const tooLarge = { ...events[3]!, data: 'x'.repeat(2_000_000) }
    const results = await bus.bus.publishMany([...events.slice(0, 3), tooLarge, ...events.slice(4)] as never)
    expect(results.map(result => (result.is === 'published' ? '' : codeOf(result)))).toEqual([
      '',
      '',
      '',
      'EVENT_TOO_LARGE',
      '',
      '',
      'PUBLISH_NOT_SENT',
      '',
      '',
    ])
  })

  it('sends nothing behind an event of its key that failed while it waited for room', async () => {
    const bus = await consuming({ started: false, options: { publish: { maxBufferedEvents: 1, timeoutMs: 1000 } } })
    let sends = 0
    bus.broker.on.publish = batch =>
      sends++ === 0 ? new Promise(() => undefined) : batch.map(() => ({ is: 'stored' as const }))
    const results = bus.bus.publishMany(many(3, 1))
    await bus.clock.advance(5000)
    expect((await results).map(result => (result.is === 'published' ? '' : codeOf(result)))).toEqual([
      'PUBLISH_UNKNOWN',
      'PUBLISH_NOT_SENT',
      'PUBLISH_NOT_SENT',
    ])
  })

  it('sends nothing behind an event of its key that middleware refused', async () => {
    const refuses: Middleware = {
      publish: async (event, next) => {
        if (event.id === '0') throw new Error('refused')
        return next(event)
      },
    }
    const bus = await consuming({ started: false, options: { middleware: [refuses] } })
    const results = await bus.bus.publishMany(many(4, 2))
    expect(results.map(result => (result.is === 'published' ? '' : codeOf(result)))).toEqual([
      'Error: refused',
      '',
      'PUBLISH_NOT_SENT',
      '',
    ])
  })

  it('fails what still waits for room when the bus closes', async () => {
    const bus = await consuming({ started: false, options: { publish: { maxBufferedEvents: 1 } } })
    bus.broker.on.publish = () => new Promise(() => undefined)
    const results = bus.bus.publishMany(many(3))
    await bus.clock.settle()
    const closed = bus.bus.close({ timeoutMs: 1000 })
    await bus.clock.advance(60_000)
    await closed
    expect((await results).map(codeOf as never)).toEqual(['PUBLISH_UNKNOWN', 'BUS_CLOSED', 'BUS_CLOSED'])
  })

  it('answers by index on a closed bus', async () => {
    const bus = await consuming({ started: false })
    await bus.bus.close()
    const results = await bus.bus.publishMany(many(2))
    expect(results.map(codeOf as never)).toEqual(['BUS_CLOSED', 'BUS_CLOSED'])
    expect((await bus.bus.forward([prepared('1', 'a')])).map(codeOf as never)).toEqual(['BUS_CLOSED'])
  })
})

describe('forward', () => {
  it('publishes events as they are, more than the buffer takes', async () => {
    const bus = await consuming({ started: false, options: { publish: { maxBufferedEvents: 10 } } })
    const results = await bus.bus.forward(Array.from({ length: 100 }, (_, index) => prepared(String(index), 'a')))
    expect(results.every(({ is }) => is === 'published')).toBe(true)
    expect(publishedIds(bus)).toEqual(Array.from({ length: 100 }, (_, index) => String(index)))
  })

  it('answers within its time, and sends nothing after it', async () => {
    const bus = await consuming({ started: false, options: { publish: { maxBufferedEvents: 1 } } })
    bus.broker.on.publish = () => new Promise(() => undefined)
    bus.bus.publish('order', 1, { id: 'blocks' }).catch(() => undefined)
    await bus.clock.settle()
    const results = bus.bus.forward([prepared('1', 'a'), prepared('2', 'b')], { timeoutMs: 500 })
    await bus.clock.advance(510)
    expect((await results).map(codeOf as never)).toEqual(['PUBLISH_NOT_SENT', 'PUBLISH_NOT_SENT'])
    await bus.clock.advance(60_000)
    expect(publishedIds(bus)).not.toContain('1')
  })
})

describe('delayed events', () => {
  it('are refused with the remedy where neither the broker nor a schedule keeps them', async () => {
    const { bus } = await consuming({ started: false })
    await expect(bus.publish('order', 1, { delayMs: 10 })).rejects.toMatchObject({
      code: 'CAPABILITY_MISSING',
      message: expect.stringContaining('pass a `schedule`'),
    })
    await expect(bus.publish('order', 1, { delayMs: -1 })).rejects.toMatchObject({ code: 'INVALID_EVENT' })
    await expect(bus.publish('order', 1, { delayMs: Number.NaN })).rejects.toMatchObject({ code: 'INVALID_EVENT' })
    await expect(bus.publish('order', 1, { delayMs: 1e300 })).rejects.toMatchObject({ code: 'INVALID_EVENT' })
  })

  it('wait in the schedule, and are published when due by a bus that was started', async () => {
    const clock = virtualClock()
    const bus = await consuming({ started: false, options: { clock, schedule: memorySchedule(clock) } })
    await bus.bus.start()
    expect(await bus.bus.publish('order', 1, { id: 'later', delayMs: 5000 })).toEqual({
      id: 'later',
      type: 'order',
      topic: 'order',
    })
    await clock.advance(4999)
    expect(publishedIds(bus)).toEqual([])
    await clock.advance(1)
    expect(publishedIds(bus)).toEqual(['later'])
  })

  it('go to the broker with their delay where it keeps them', async () => {
    const { bus, broker } = await consuming({ started: false, capabilities: { publishDelayMs: 1000 } })
    await bus.publish('order', 1, { delayMs: 1000 })
    expect(broker.published[0]!.delayMs).toBe(1000)
  })
})

describe('routes', () => {
  it('refuse a topic that the broker cannot name, before anything is sent', async () => {
    const { bus, broker } = await consuming({ started: false, capabilities: { topicName: /^[a-z]+$/ } })
    await expect(bus.publish('not.a.topic', 1)).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' })
    expect(broker.published).toEqual([])
    expect(() => bus.native('nowhere')).toThrow('there is default')
  })
})
