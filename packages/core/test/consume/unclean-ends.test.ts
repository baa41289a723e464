import { describe, expect, it } from 'vitest'
import type { Capabilities } from '../../src/driver/driver-contract.ts'
import type { HoldStore } from '../../src/hold/hold-store.ts'
import { mortalService, type Life, type MortalService } from './mortal-service.ts'

const mark = { group: 'stock', topic: 'order', partition: '0', owner: 'another process', token: '1' }

/** What a successor of the partition would be told. */
function found(hold: HoldStore): ReturnType<HoldStore['openPartition']> {
  return hold.openPartition(mark)
}

/** A broker with a backstop and one consumer at a time for what keeps order. */
const queues = { affinity: 'in-flight', soleConsumer: true, backstop: true } as const

async function deadOf(hold: HoldStore): Promise<readonly string[]> {
  const { events } = await hold.list({ group: 'stock' }, { limit: 100 })
  return events.map(({ event, state, reason }) => `${event.split(' ')[1]} ${state} ${reason.code}`)
}

/** Starts the service again each time that it dies, until it lives for as long as nothing more happens. */
async function livesOf(service: MortalService, kill: { last: Life | undefined }): Promise<number> {
  for (let lives = 1; ; lives++) {
    const life = await service.begin()
    await service.clock.settle()
    if (kill.last !== life) return lives
    service.broker.leave(life)
  }
}

async function endsAlone(capabilities: Partial<Capabilities>): Promise<void> {
  const kill: { last: Life | undefined } = { last: undefined }
  const service = mortalService({
    capabilities,
    onRun: (run, life) => {
      if (run.id !== 'c1') return run.finish()
      kill.last = life()
      kill.last.die()
    },
  })
  for (const id of ['a1', 'b1', 'c1', 'c2', 'd1', 'e1', 'a2']) service.broker.store(id, id[0]!)
  // The first start is on nobody's record: nothing was wrong until then.
  expect(await livesOf(service, kill)).toBe(1 + 3 + 1)
  expect(await deadOf(service.hold)).toEqual(['c1 dead HANDLER_NEVER_ENDED', 'c2 parked PARKED'])
  service.broker.look()
  expect(service.broker.unsettled).toEqual([])
}

describe('an event that ends its process', () => {
  it('is dead after it was started as often as it may be tried, and everything else is handled', () => endsAlone({}))

  it('is dead as soon on a broker that counts deliveries, and takes nothing with it', () => endsAlone(queues))

  it('is found whatever runs beside it, and nothing that ran beside it is dead', async () => {
    const kill: { last: Life | undefined } = { last: undefined }
    const service = mortalService({
      // It ends its process once as many run as may.
      onRun: (run, life) => {
        const { running } = life()
        if (run.id === 'd1') queueMicrotask(() => ((kill.last = life()), life().die()))
        else queueMicrotask(() => running.has('d1') || setImmediate(() => running.get(run.id)?.finish()))
      },
    })
    for (const id of ['a1', 'b1', 'c1', 'd1', 'e1', 'f1']) service.broker.store(id, id[0]!)
    let lives = 0
    for (; lives < 20; lives++) {
      const life = await service.begin()
      for (let turn = 0; turn < 20; turn++) await service.clock.settle()
      if (kill.last !== life) break
      service.broker.leave(life)
    }
    expect(await deadOf(service.hold)).toEqual(['d1 dead HANDLER_NEVER_ENDED'])
    expect(lives).toBe(1 + 3)
    service.broker.look()
    expect(service.broker.unsettled).toEqual([])
  })

  it('ends its process again after a redrive, and is dead again', async () => {
    const kill: { last: Life | undefined } = { last: undefined }
    let runs = 0
    let deaths = 0
    const service = mortalService({
      onRun: (run, life) => {
        if (++runs === 1) return run.fail(new Error('no'))
        deaths++
        kill.last = life()
        kill.last.die()
      },
      subscription: { retry: { maxAttempts: 1 } },
    })
    service.broker.store('a1', 'a')
    const first = await service.begin()
    expect(await deadOf(service.hold)).toEqual(['a1 dead Error'])
    await first.bus.held.redrive()
    await service.clock.settle()
    expect(deaths).toBe(1)
    // The lane is due again when the lease of the dead has run out.
    for (let lives = 0; lives < 3; lives++) {
      service.broker.leave(kill.last!)
      await service.begin()
      await service.clock.advance(40_000)
    }
    expect(deaths).toBe(1)
    expect(await deadOf(service.hold)).toEqual(['a1 dead HANDLER_NEVER_ENDED'])
  })
})

describe('after an unclean end', () => {
  it('runs alone what was running, and never counts what waits', async () => {
    const service = mortalService()
    for (const id of ['a1', 'b1', 'c1', 'd1', 'e1', 'f1']) service.broker.store(id, id[0]!)
    const begun: (readonly string[])[] = []
    for (let life = 1; life <= 4; life++) {
      const process = await service.begin()
      begun.push([...process.begun])
      await service.kill(process)
    }
    expect(begun).toEqual([['a1', 'b1', 'c1', 'd1'], ['a1', 'b1', 'c1', 'd1'], ['a1'], ['a1']])
    const starts = (await found(service.hold))?.map(({ identity, starts: count }) => [identity.event, count])
    expect(starts).toEqual([
      ['shop a1', 3],
      ['shop b1', 1],
      ['shop c1', 1],
      ['shop d1', 1],
    ])
  })

  it('runs events beside each other that were not running', async () => {
    const service = mortalService()
    for (const id of ['a1', 'b1']) service.broker.store(id, id[0]!)
    await service.kill(await service.begin())
    await service.kill(await service.begin())
    for (const id of ['c1', 'd1', 'e1']) service.broker.store(id, id[0]!)
    const life = await service.begin()
    expect([...life.running.keys()]).toEqual(['a1'])
    await life.finish('a1')
    expect([...life.running.keys()]).toEqual(['b1'])
    await life.finish('b1')
    expect([...life.running.keys()]).toEqual(['c1', 'd1', 'e1'])
  })

  it('forgets an event that ended, well or badly', async () => {
    const service = mortalService({ subscription: { concurrency: 1, retry: { maxAttempts: 1 } } })
    for (const id of ['a1', 'b1', 'c1']) service.broker.store(id, id[0]!)
    await service.kill(await service.begin())
    const life = await service.begin()
    await life.finish('a1')
    await life.fail('b1')
    expect([...life.running.keys()]).toEqual(['c1'])
    await service.kill(life)
    expect(await found(service.hold)).toMatchObject([{ identity: { event: 'shop c1' }, starts: 1 }])
  })

  it('lets nothing run before its start is on record', async () => {
    const service = mortalService()
    service.broker.store('a1', 'a')
    await service.kill(await service.begin())
    const resume = service.holds.pause('recordStarts')
    const life = await service.begin()
    expect(life.begun).toEqual([])
    resume()
    await service.clock.settle()
    expect(life.begun).toEqual(['a1'])
  })

  it('keeps subscriptions apart: one is cautious for itself', async () => {
    const service = mortalService()
    service.broker.store('a1', 'a')
    const start = async (): Promise<Life> => {
      const life = await service.start()
      life.bus.subscribe('order', () => new Promise(() => undefined), { name: 'second' })
      await service.clock.settle()
      await service.broker.assign(life)
      service.broker.deliver(10)
      await service.clock.settle()
      return life
    }
    await service.kill(await start())
    await service.kill(await start())
    const starts = await found(service.hold)
    expect(starts?.map(({ identity, starts: count }) => [identity.scope, count])).toEqual([
      ['stock/order', 1],
      ['stock/second', 1],
    ])
  })

  it('gives back what waits for its turn alone when the partition is revoked', async () => {
    const service = mortalService()
    for (const id of ['a1', 'b1']) service.broker.store(id, id[0]!)
    await service.kill(await service.begin())
    await service.kill(await service.begin())
    const life = await service.begin()
    const revoked = service.broker.revoke('drain', 1000)
    await life.finish('a1')
    await service.clock.advance(1000)
    await revoked
    expect(life.begun).toEqual(['a1'])
    expect(service.broker.unsettled).toEqual(['b1'])
  })

  it('stays cautious when the partition moves before the first window is settled', async () => {
    const service = mortalService()
    for (const id of ['a1', 'b1']) service.broker.store(id, id[0]!)
    await service.kill(await service.begin())
    const life = await service.begin()
    await life.finish('a1', 'b1')
    await service.broker.revoke('drain', 10)
    await life.bus.close()
    expect(await found(service.hold)).toEqual([])
  })

  it('ends when the first window is settled', async () => {
    const service = mortalService({ options: { consume: { window: 4 } }, onRun: run => run.finish() })
    await service.kill(await service.begin())
    for (const id of ['a1', 'b1', 'c1']) service.broker.store(id, id[0]!)
    const life = await service.begin()
    expect(service.signals.at(-1)?.is).not.toBe('caution-ended')
    service.broker.store('d1', 'd')
    service.broker.deliver(10)
    await service.clock.settle()
    expect(service.signals.filter(({ is }) => is === 'caution-ended')).toEqual([
      { is: 'caution-ended', topic: 'order', partition: '0' },
    ])
    const calls = service.holds.calls('recordStarts')
    service.broker.store('e1', 'e')
    service.broker.deliver(10)
    await service.clock.settle()
    expect(life.finished).toContain('e1')
    expect(service.holds.calls('recordStarts')).toBe(calls)
    await life.bus.close()
    expect(await found(service.hold)).toBeUndefined()
  })

  it('waits for the slowest of the first window, whatever is settled meanwhile', async () => {
    const service = mortalService({
      options: { consume: { window: 2 } },
      onRun: run => run.id !== 'a1' && run.finish(),
    })
    await service.kill(await service.begin())
    for (const id of ['a1', 'b1', 'c1', 'd1']) service.broker.store(id, id[0]!)
    const life = await service.begin()
    expect(life.finished).toEqual(['b1', 'c1', 'd1'])
    expect(service.signals.map(({ is }) => is)).not.toContain('caution-ended')
    await life.finish('a1')
    expect(service.signals.map(({ is }) => is)).toContain('caution-ended')
  })

  it('ends when the partition has caught up', async () => {
    const service = mortalService({ onRun: run => run.finish(), options: { topology: 'create' }, durable: true })
    await service.kill(await service.begin())
    service.broker.store('a1', 'a')
    const life = await service.begin()
    const [partition] = [...life.broker.settlements.keys()].map(message => message.partition)
    life.broker.lags.set(partition!, { messages: 1 })
    await service.clock.advance(5000)
    expect(service.signals.map(({ is }) => is)).not.toContain('caution-ended')
    life.broker.lags.set(partition!, { messages: 0 })
    await service.clock.advance(1000)
    expect(service.signals.map(({ is }) => is)).toContain('caution-ended')
    await life.bus.close()
    expect(await found(service.hold)).toBeUndefined()
  })

  it('takes its mark back when it was written over in vain', async () => {
    const service = mortalService()
    service.broker.store('a1', 'a')
    await service.kill(await service.begin())
    const life = await service.start()
    await service.broker.assign(life)
    await found(service.hold)
    service.broker.deliver(10)
    await service.clock.settle()
    expect(life.begun).toEqual([])
    await service.clock.advance(2000)
    expect(life.begun).toEqual(['a1'])
  })
})

describe('a partition that is given up in good order', () => {
  it('costs one call when it comes and one when it goes, and none for a message', async () => {
    const service = mortalService({ onRun: run => run.finish() })
    for (let index = 0; index < 100; index++) service.broker.store(`a${index}`, 'a')
    const life = await service.begin()
    expect(life.finished).toHaveLength(100)
    await service.broker.revoke('drain', 10)
    expect([
      service.holds.calls('openPartition'),
      service.holds.calls('recordStarts'),
      service.holds.calls('closePartition'),
    ]).toEqual([1, 0, 1])
    expect(await found(service.hold)).toBeUndefined()
  })

  it('is clean for the next owner when its owner drains it, closes, or lives when he hears that he lost it', async () => {
    const ends: ((service: MortalService, life: Life) => Promise<unknown>)[] = [
      service => service.broker.revoke('drain', 10),
      service => service.broker.revoke('lost'),
      (_, life) => life.bus.close(),
    ]
    for (const end of ends) {
      const service = mortalService()
      service.broker.store('a1', 'a')
      const life = await service.begin()
      await life.finish('a1')
      await end(service, life)
      await service.clock.settle()
      expect(await found(service.hold)).toBeUndefined()
    }
  })

  it('is not clean for the next owner while an earlier one does not know that he lost it', async () => {
    const service = mortalService()
    service.broker.store('a1', 'a')
    const paused = await service.begin()
    const next = await service.start()
    await next.broker.joined[0]!.sink.assigned({ topic: 'order', id: '0', epoch: 99 })
    expect(service.signals.map(({ is }) => is)).toContain('unclean-end')
    await service.broker.revoke('lost')
    expect(paused.running.get('a1')?.context.signal.aborted).toBe(true)
    expect(await found(service.hold)).toEqual([])
  })

  it('closes without its hold store, in bounded time, and leaves the next owner cautious', async () => {
    const service = mortalService()
    const life = await service.begin()
    service.holds.pause('closePartition')
    const closed = life.bus.close()
    await service.clock.advance(1000)
    await closed
    expect(await found(service.hold)).toEqual([])
  })

  it('gives nothing to its new owner before the hold store has answered', async () => {
    const service = mortalService()
    service.broker.store('a1', 'a')
    const recover = service.holds.fail('openPartition')
    const life = await service.begin()
    await service.clock.advance(10_000)
    service.broker.deliver(10)
    expect(life.begun).toEqual([])
    recover()
    await service.clock.advance(10_000)
    service.broker.deliver(10)
    await service.clock.settle()
    expect(life.begun).toEqual(['a1'])
  })

  it('is marked only where it has one owner at a time, nobody else finds the culprit, and the hold store is durable', async () => {
    const settings = [
      { capabilities: { backstop: true } },
      { capabilities: { affinity: 'in-flight' as const } },
      { holdIsDurable: false },
      { capabilities: queues, subscription: { order: 'none' as const, onDead: 'continue' as const } },
    ]
    for (const setting of settings) {
      const service = mortalService({ ...setting, onRun: run => run.finish() })
      service.broker.store('a1', 'a')
      await (await service.begin()).bus.close()
      expect(service.holds.calls('openPartition')).toBe(0)
    }
  })
})
