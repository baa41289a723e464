import { describe, expect, it } from 'vitest'
import { prepared, publishing } from './publishing.ts'
import { notStored, stored, unknown, type Call } from './scripted-driver.ts'

describe('coalescing', () => {
  it('sends what is published in one turn as one batch', async () => {
    const bus = publishing()
    for (let n = 0; n < 100; n++) bus.send(`e${n}`, `key-${n}`)
    await bus.clock.settle()
    expect(bus.driver.calls.map(call => call.ids.length)).toEqual([100])
  })

  it('resolves each publish with its own receipt, and only once the driver says stored', async () => {
    const bus = publishing()
    bus.send('e1')
    await bus.clock.advance(5000)
    expect(bus.outcomes.size).toBe(0)
    const receipt = bus.publisher.send(prepared('e2', { size: 1, topic: 'orders' }))
    await bus.clock.settle()
    bus.driver.calls.forEach(call => call.all(stored))
    expect(await receipt).toEqual({ id: 'e2', type: 'order.created', topic: 'orders' })
    expect(bus.outcomes).toEqual(new Map([['e1', 'published']]))
  })

  it('keeps batches within the count and the bytes of the options and of the broker', async () => {
    const byCount = publishing({ tuning: { maxBatchEvents: 3 } })
    for (let n = 0; n < 7; n++) byCount.send(`e${n}`)
    await byCount.clock.settle()
    expect(byCount.driver.calls.map(call => call.ids.length)).toEqual([3, 3, 1])

    const byEntries = publishing({ capabilities: { batch: { entries: 2, bytes: 10_000 } } })
    for (let n = 0; n < 4; n++) byEntries.send(`e${n}`)
    await byEntries.clock.settle()
    expect(byEntries.batches()).toEqual([
      ['e0', 'e1'],
      ['e2', 'e3'],
    ])

    const byBytes = publishing({ capabilities: { batch: { entries: 100, bytes: 250 } } })
    for (let n = 0; n < 4; n++) byBytes.send(`e${n}`, undefined, { size: 100 })
    await byBytes.clock.settle()
    expect(byBytes.batches()).toEqual([
      ['e0', 'e1'],
      ['e2', 'e3'],
    ])
  })

  it('lingers for company, and not longer when the batch is full', async () => {
    const bus = publishing({ tuning: { lingerMs: 5, maxBatchEvents: 3 } })
    bus.send('e1')
    await bus.clock.advance(4)
    expect(bus.batches()).toEqual([])
    bus.send('e2')
    await bus.clock.advance(1)
    expect(bus.batches()).toEqual([['e1', 'e2']])
    for (const id of ['e3', 'e4', 'e5']) bus.send(id)
    await bus.clock.settle()
    expect(bus.batches().slice(1)).toEqual([['e3', 'e4', 'e5']])
  })
})

describe('order by key', () => {
  it('leaves the keys of an unresolved batch out of the next ones', async () => {
    const bus = publishing()
    bus.send('a1', 'a')
    bus.send('b1', 'b')
    await bus.clock.settle()
    bus.send('a2', 'a')
    bus.send('c1', 'c')
    await bus.clock.settle()
    expect(bus.batches()).toEqual([['a1', 'b1'], ['c1']])
    bus.driver.calls[0]!.all(stored)
    await bus.clock.settle()
    expect(bus.batches().slice(2)).toEqual([['a2']])
  })

  it('takes keys per topic', async () => {
    const bus = publishing()
    bus.send('e1', 'a', { topic: 'orders' })
    await bus.clock.settle()
    bus.send('e2', 'a', { topic: 'payments' })
    await bus.clock.settle()
    expect(bus.batches()).toEqual([['e1'], ['e2']])
  })

  it('sends runs of a key together where they share their fate', async () => {
    const bus = publishing({ capabilities: { sameKeyBatch: 'together' } })
    for (const id of ['a1', 'a2', 'a3']) bus.send(id, 'a')
    bus.send('b1', 'b')
    await bus.clock.settle()
    expect(bus.batches()).toEqual([['a1', 'a2', 'a3', 'b1']])
  })

  it('sends one event of a key at a time where they do not', async () => {
    const bus = publishing({ capabilities: { sameKeyBatch: 'apart' }, onPublish: call => call.all(stored) })
    for (const id of ['a1', 'a2', 'a3']) bus.send(id, 'a')
    bus.send('b1', 'b')
    await bus.clock.settle()
    expect(bus.batches()).toEqual([['a1', 'b1'], ['a2'], ['a3']])
  })

  it('sends an unknown event again, with its id, before anything later of its key', async () => {
    const bus = publishing({ capabilities: { sameKeyBatch: 'apart' } })
    bus.send('a1', 'a')
    bus.send('a2', 'a')
    await bus.clock.settle()
    bus.driver.calls[0]!.all(unknown())
    await bus.clock.advance(50)
    expect(bus.batches()).toEqual([['a1'], ['a1']])
    bus.driver.calls[1]!.all(stored)
    await bus.clock.settle()
    expect(bus.batches()).toEqual([['a1'], ['a1'], ['a2']])
    expect(bus.outcomes.get('a1')).toBe('published')
  })

  it('puts a run that failed back in its place', async () => {
    const bus = publishing()
    for (const id of ['a1', 'a2']) bus.send(id, 'a')
    await bus.clock.settle()
    bus.send('a3', 'a')
    bus.driver.calls[0]!.all(notStored())
    await bus.clock.advance(50)
    expect(bus.batches()).toEqual([
      ['a1', 'a2'],
      ['a1', 'a2', 'a3'],
    ])
  })
})

describe('repeating', () => {
  it('doubles the bound of its jitter with each failure, up to the longest', async () => {
    const bus = publishing({
      tuning: { retryDelayMs: 100, maxRetryDelayMs: 300, timeoutMs: 60_000 },
      onPublish: call => call.all(notStored()),
    })
    bus.send('e1')
    const sentAt: number[] = []
    for (let ms = 0; ms <= 1000; ms += 50) {
      await bus.clock.advance(ms === 0 ? 0 : 50)
      while (sentAt.length < bus.driver.calls.length) sentAt.push(ms)
    }
    expect(sentAt).toEqual([0, 100, 300, 600, 900])
  })

  it('sends a batch that failed twice by partition, then event by event', async () => {
    const bus = publishing({ tuning: { timeoutMs: 60_000 } })
    // 'b' and 'd' are of one partition of the scripted driver, 'a' and 'c' of the other.
    for (const key of ['a', 'b', 'c', 'd']) bus.send(`${key}1`, key)
    await bus.clock.settle()
    bus.driver.calls[0]!.all(unknown())
    await bus.clock.advance(50)
    bus.driver.calls[1]!.all(unknown())
    await bus.clock.advance(100)
    expect(bus.batches().slice(1)).toEqual([
      ['a1', 'b1', 'c1', 'd1'],
      ['a1', 'c1'],
      ['b1', 'd1'],
    ])
    bus.driver.calls[2]!.all(unknown())
    bus.driver.calls[3]!.all(stored)
    await bus.clock.advance(200)
    expect(bus.batches().slice(4)).toEqual([['a1'], ['c1']])
  })

  it('does not take a throttled batch apart', async () => {
    const bus = publishing({ tuning: { timeoutMs: 60_000, maxRetryDelayMs: 50 } })
    for (const key of ['a', 'b']) bus.send(`${key}1`, key)
    for (let n = 0; n < 5; n++) {
      await bus.clock.advance(50)
      bus.driver.calls.at(-1)!.all(notStored('throttled'))
    }
    expect(bus.batches()).toEqual(Array.from({ length: 5 }, () => ['a1', 'b1']))
  })

  it('says what it repeats, once for each topic', async () => {
    const bus = publishing()
    bus.send('e1', 'a', { topic: 'orders' })
    bus.send('e2', 'b', { topic: 'orders' })
    bus.send('e3', 'a', { topic: 'payments' })
    await bus.clock.settle()
    bus.driver.calls[0]!.all(unknown())
    await bus.clock.settle()
    expect(bus.signals).toMatchObject([
      { is: 'publish-retried', topic: 'orders', events: 2, fate: 'unknown' },
      { is: 'publish-retried', topic: 'payments', events: 1, fate: 'unknown' },
    ])
  })
})

describe('final failures', () => {
  it.each([
    ['too-large', 'EVENT_TOO_LARGE'],
    ['illegal', 'PUBLISH_REFUSED'],
    ['refused', 'PUBLISH_REFUSED'],
  ] as const)('rejects a lone event that is %s with %s', async (failure, code) => {
    const bus = publishing({ onPublish: call => call.all(notStored(failure)) })
    bus.send('e1')
    await bus.clock.settle()
    expect(bus.outcomes.get('e1')).toBe(code)
    expect(bus.signals).toMatchObject([{ is: 'publish-failed', id: 'e1', topic: 'orders' }])
  })

  it('finds the one event of a batch that is at fault, and publishes the others', async () => {
    const bus = publishing({
      onPublish: call => call.all(call.ids.includes('bad') ? notStored('illegal') : stored),
    })
    for (const id of ['e1', 'e2', 'bad', 'e3']) bus.send(id, id)
    await bus.clock.advance(2000)
    expect(Object.fromEntries(bus.outcomes)).toEqual({
      e1: 'published',
      e2: 'published',
      e3: 'published',
      bad: 'PUBLISH_REFUSED',
    })
  })

  it('does not believe a refusal after an uncertain answer', async () => {
    const bus = publishing({ tuning: { timeoutMs: 3000 } })
    bus.send('e1')
    await bus.clock.settle()
    bus.driver.calls[0]!.all(unknown())
    await bus.clock.advance(50)
    bus.driver.calls[1]!.all(notStored('refused'))
    await bus.clock.advance(100)
    expect(bus.driver.calls).toHaveLength(3)
    expect(bus.outcomes.size).toBe(0)
    await bus.clock.advance(3000)
    expect(bus.outcomes.get('e1')).toBe('PUBLISH_UNKNOWN')
  })

  it('fails what waits behind a failed event of its key, and takes new events of it', async () => {
    const bus = publishing({ capabilities: { sameKeyBatch: 'apart' } })
    bus.send('a1', 'a')
    bus.send('a2', 'a')
    await bus.clock.settle()
    bus.driver.calls[0]!.all(notStored('refused'))
    await bus.clock.settle()
    expect(Object.fromEntries(bus.outcomes)).toEqual({ a1: 'PUBLISH_REFUSED', a2: 'PUBLISH_NOT_SENT' })
    bus.send('a3', 'a')
    await bus.clock.settle()
    bus.driver.calls[1]!.all(stored)
    await bus.clock.settle()
    expect(bus.outcomes.get('a3')).toBe('published')
  })

  it('gives up at once when the driver is closed', async () => {
    const bus = publishing({ onPublish: call => call.all(notStored('closed')) })
    bus.send('e1', 'a')
    bus.send('e2', 'b')
    await bus.clock.settle()
    expect(Object.fromEntries(bus.outcomes)).toEqual({ e1: 'PUBLISH_NOT_SENT', e2: 'PUBLISH_NOT_SENT' })
  })
})

describe('deadlines', () => {
  it('answers PUBLISH_NOT_SENT when every send was surely not stored', async () => {
    const bus = publishing({ tuning: { timeoutMs: 1000 }, onPublish: call => call.all(notStored()) })
    bus.send('a1', 'a')
    await bus.clock.advance(999)
    expect(bus.outcomes.size).toBe(0)
    await bus.clock.advance(1)
    expect(bus.outcomes.get('a1')).toBe('PUBLISH_NOT_SENT')
  })

  it('says what was answered last, so that a wrong password does not look like a slow broker', async () => {
    const bus = publishing({ tuning: { timeoutMs: 1000 }, onPublish: call => call.all(notStored()) })
    bus.send('a1', 'a')
    await bus.clock.advance(1000)
    const error: unknown = bus.signals.flatMap(signal => (signal.is === 'publish-failed' ? [signal.error] : []))[0]
    expect(error).toMatchObject({
      message:
        'order.created a1 on topic orders was not stored: no certain answer within 1000 ms (the last answer: broker says transient)',
      cause: { message: 'broker says transient' },
    })
  })

  it('answers PUBLISH_UNKNOWN after an uncertain send, and PUBLISH_NOT_SENT to what waits behind it', async () => {
    const bus = publishing({
      tuning: { timeoutMs: 1000 },
      capabilities: { sameKeyBatch: 'apart' },
      onPublish: call => call.all(unknown()),
    })
    bus.send('a1', 'a')
    bus.send('a2', 'a', { timeoutMs: 60_000 })
    bus.send('b1', 'b', { timeoutMs: 60_000 })
    await bus.clock.advance(1000)
    expect(Object.fromEntries(bus.outcomes)).toEqual({ a1: 'PUBLISH_UNKNOWN', a2: 'PUBLISH_NOT_SENT' })
  })

  it('answers PUBLISH_UNKNOWN for a send that is still under way, and keeps later events of the key behind it', async () => {
    const bus = publishing({ tuning: { timeoutMs: 30_000 } })
    bus.send('a1', 'a', { timeoutMs: 100 })
    bus.send('b1', 'b')
    await bus.clock.advance(100)
    expect(bus.outcomes.get('a1')).toBe('PUBLISH_UNKNOWN')
    bus.send('a2', 'a')
    await bus.clock.settle()
    expect(bus.batches()).toEqual([['a1', 'b1']])
    bus.driver.calls[0]!.all(stored)
    await bus.clock.settle()
    expect(bus.batches().slice(1)).toEqual([['a2']])
    expect(bus.outcomes.get('a1')).toBe('PUBLISH_UNKNOWN')
    expect(bus.outcomes.get('b1')).toBe('published')
  })

  it('does not send again what was behind an event that was given up in flight', async () => {
    const bus = publishing()
    bus.send('a1', 'a', { timeoutMs: 100 })
    bus.send('a2', 'a')
    await bus.clock.advance(100)
    bus.driver.calls[0]!.all(notStored())
    await bus.clock.advance(1000)
    expect(Object.fromEntries(bus.outcomes)).toEqual({ a1: 'PUBLISH_UNKNOWN', a2: 'PUBLISH_NOT_SENT' })
    expect(bus.driver.calls).toHaveLength(1)
  })

  it('gives one send a third of the usual time, or what the event has left', async () => {
    const bus = publishing({ tuning: { timeoutMs: 9000 } })
    bus.send('e1')
    await bus.clock.settle()
    bus.send('e2', undefined, { timeoutMs: 500 })
    await bus.clock.settle()
    expect(bus.driver.calls.map(call => call.timeoutMs)).toEqual([3000, 500])
  })
})

describe('drivers that break their contract', () => {
  const broken: Record<string, (call: Call) => void> = {
    rejects: call => call.reject(new Error('client error')),
    'answers too few fates': call => call.answer([]),
    'answers nothing': call => call.answerWith(undefined),
    'answers something else': call => call.answerWith(call.ids.map(() => ({ is: 'done' }))),
  }
  it.each(Object.entries(broken))('takes everything as unknown when the driver %s', async (_, fail) => {
    const bus = publishing({ tuning: { timeoutMs: 1000 }, onPublish: fail })
    bus.send('e1', 'a')
    bus.send('e2', 'b')
    await bus.clock.advance(1000)
    expect(Object.fromEntries(bus.outcomes)).toEqual({ e1: 'PUBLISH_UNKNOWN', e2: 'PUBLISH_UNKNOWN' })
    expect(bus.driver.calls.length).toBeGreaterThan(2)
  })

  it('takes an error that the driver cannot classify for one that passes', async () => {
    for (const classify of [
      () => 'what?',
      () => {
        throw new Error('no')
      },
    ]) {
      const bus = publishing({ onPublish: call => call.all(bus.driver.calls.length > 1 ? stored : notStored()) })
      Object.assign(bus.driver, { classify })
      bus.send('e1')
      await bus.clock.advance(100)
      expect(bus.outcomes.get('e1')).toBe('published')
    }
  })

  it('takes everything as unknown when the driver throws', async () => {
    const bus = publishing({
      onPublish: () => {
        throw new Error('thrown')
      },
    })
    bus.send('e1')
    await bus.clock.advance(30_000)
    expect(bus.outcomes.get('e1')).toBe('PUBLISH_UNKNOWN')
  })

  it('goes on a second after a hanging send should have ended, and ignores its late answer', async () => {
    const bus = publishing({ tuning: { timeoutMs: 30_000 }, random: () => 0 })
    bus.send('a1', 'a')
    bus.send('a2', 'a')
    await bus.clock.advance(10_999)
    expect(bus.driver.calls).toHaveLength(1)
    await bus.clock.advance(2)
    expect(bus.batches()).toEqual([
      ['a1', 'a2'],
      ['a1', 'a2'],
    ])
    bus.driver.calls[0]!.all(notStored('refused'))
    await bus.clock.settle()
    expect(bus.outcomes.size).toBe(0)
    bus.driver.calls[1]!.all(stored)
    await bus.clock.settle()
    expect(Object.fromEntries(bus.outcomes)).toEqual({ a1: 'published', a2: 'published' })
  })
})

describe('bounds', () => {
  it('refuses an event above the broker limit less 16 KiB at once, naming size and limit', async () => {
    const bus = publishing({ capabilities: { maxBytes: 20_000 } })
    const send = bus.publisher.send(prepared('e1', { size: 4000, topic: 'orders' }))
    await expect(send).rejects.toMatchObject({
      code: 'EVENT_TOO_LARGE',
      message: expect.stringMatching(/4007 bytes.*3616/),
    })
    expect(bus.driver.calls).toHaveLength(0)
  })

  it('refuses a topic and a number of headers that the broker does not take', async () => {
    const bus = publishing({ capabilities: { headers: { max: 0, binary: false } } })
    await expect(bus.publisher.send(prepared('e1', { size: 1, topic: 'a topic' }))).rejects.toMatchObject({
      code: 'INVALID_EVENT',
    })
    await expect(bus.publisher.send(prepared('e1', { size: 1, topic: 'orders' }))).rejects.toMatchObject({
      code: 'INVALID_EVENT',
    })
  })

  it('has a bounded number of events in flight, and sends more as answers come', async () => {
    const bus = publishing({ tuning: { maxInFlightEvents: 5, maxBatchEvents: 2 } })
    for (let n = 0; n < 9; n++) bus.send(`e${n}`)
    await bus.clock.settle()
    expect(bus.driver.calls.map(call => call.ids.length)).toEqual([2, 2, 1])
    bus.driver.calls[0]!.all(stored)
    await bus.clock.settle()
    expect(bus.driver.calls.map(call => call.ids.length)).toEqual([2, 2, 1, 2])
  })

  it('has a bounded number of bytes in flight, and lets one larger event travel alone', async () => {
    const bus = publishing({ tuning: { maxBufferedBytes: 4000 } })
    bus.send('big', undefined, { size: 2000 })
    bus.send('small', undefined, { size: 10 })
    await bus.clock.settle()
    expect(bus.batches()).toEqual([['big']])
    bus.driver.calls[0]!.all(stored)
    await bus.clock.settle()
    expect(bus.batches()).toEqual([['big'], ['small']])
  })

  it('rejects with BUFFER_FULL beyond its buffer, and takes events again when there is room', async () => {
    const bus = publishing({ tuning: { maxBufferedEvents: 3 } })
    for (const id of ['e1', 'e2', 'e3', 'e4']) bus.send(id)
    await bus.clock.settle()
    expect(Object.fromEntries(bus.outcomes)).toEqual({ e4: 'BUFFER_FULL' })
    bus.driver.calls[0]!.all(stored)
    await bus.clock.settle()
    bus.send('e5')
    await bus.clock.settle()
    expect(bus.batches().at(-1)).toEqual(['e5'])
  })

  it('keeps no lane of a key without events', async () => {
    const bus = publishing({ onPublish: call => call.all(stored), tuning: { maxBufferedEvents: 1 } })
    // With one buffered event at a time, a key that was not let go would keep its lane busy.
    for (let n = 0; n < 50; n++) {
      bus.send(`e${n}`, 'a')
      await bus.clock.settle()
    }
    expect([...bus.outcomes.values()]).toEqual(Array(50).fill('published'))
  })
})

describe('until settled', () => {
  it('keeps many keys in flight beyond the bound, each in a batch of its own', async () => {
    const bus = publishing({ tuning: { maxInFlightEvents: 2 } })
    for (let n = 0; n < 50; n++) bus.send(`e${n}`, `key-${n}`, { until: 'settled' })
    await bus.clock.settle()
    expect(bus.driver.calls.map(call => call.ids.length)).toEqual(Array(50).fill(1))
    expect(bus.driver.calls[0]!.batch[0]).toMatchObject({ until: 'settled' })
  })

  it('does not make a handler that publishes wait behind the event it handles', async () => {
    const bus = publishing({ tuning: { maxBufferedEvents: 1 } })
    bus.send('handled', 'a', { until: 'settled' })
    await bus.clock.settle()
    bus.send('published by its handler', 'a')
    await bus.clock.settle()
    expect(bus.batches()).toEqual([['handled'], ['published by its handler']])
  })

  it('waits as long as its caller does', async () => {
    const bus = publishing({ tuning: { timeoutMs: 3000 } })
    bus.send('e1', 'a', { until: 'settled', timeoutMs: 60_000 })
    await bus.clock.advance(59_000)
    bus.driver.calls[0]!.all(stored)
    await bus.clock.settle()
    expect(bus.outcomes.get('e1')).toBe('published')
    expect(bus.driver.calls).toHaveLength(1)
  })
})

describe('closing', () => {
  it('sends what lingers, waits for answers, and takes no more', async () => {
    const bus = publishing({ tuning: { lingerMs: 1000 } })
    bus.send('e1')
    const closed = bus.publisher.close(5000)
    bus.send('e2')
    await bus.clock.settle()
    expect(bus.outcomes.get('e2')).toBe('BUS_CLOSED')
    bus.driver.calls[0]!.all(stored)
    await closed
    expect(bus.outcomes.get('e1')).toBe('published')
  })

  it('fails the rest when its time is over', async () => {
    const bus = publishing({ capabilities: { sameKeyBatch: 'apart' } })
    bus.send('a1', 'a')
    bus.send('a2', 'a')
    await bus.clock.settle()
    const closed = bus.publisher.close(100)
    await bus.clock.advance(100)
    await closed
    expect(Object.fromEntries(bus.outcomes)).toEqual({ a1: 'PUBLISH_UNKNOWN', a2: 'PUBLISH_NOT_SENT' })
    bus.driver.calls[0]!.all(stored)
    await bus.clock.advance(60_000)
    expect(bus.outcomes.get('a1')).toBe('PUBLISH_UNKNOWN')
    expect(bus.driver.calls).toHaveLength(1)
  })

  it('flushes without closing', async () => {
    const bus = publishing({ tuning: { lingerMs: 1000 }, onPublish: call => call.all(stored) })
    bus.send('e1')
    await bus.publisher.flush(1000)
    expect(bus.outcomes.get('e1')).toBe('published')
    bus.send('e2')
    await bus.clock.advance(1000)
    expect(bus.outcomes.get('e2')).toBe('published')
  })
})

describe('events that are sent in one go', () => {
  it('does not take what comes behind an event of its key that it did not take', async () => {
    const bus = publishing({ capabilities: { maxBytes: 16 * 1024 + 1000 } })
    const run = { stopped: new Set<string>() }
    bus.send('e1', 'a', { run })
    bus.send('e2', 'a', { run, size: 2000 })
    bus.send('e3', 'a', { run })
    bus.send('e4', 'b', { run })
    bus.send('e5', 'a')
    await bus.clock.settle()
    expect(bus.batches().flat().toSorted()).toEqual(['e1', 'e4', 'e5'])
    expect(Array.from(bus.outcomes)).toEqual([
      ['e2', 'EVENT_TOO_LARGE'],
      ['e3', 'PUBLISH_NOT_SENT'],
    ])
  })
})
