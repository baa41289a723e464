import { describe, expect, it } from 'vitest'
import { consuming } from '../consume/consuming.ts'

describe('health while a store fails', () => {
  it('says so for as long as events wait for it', async () => {
    const { broker, bus, clock, claims, finish } = await consuming()
    const partition = await broker.assign()
    const mend = claims.fail('claim')
    broker.deliver(partition, 'a1')
    await clock.advance(1000)
    expect(bus.health()).toMatchObject({
      status: 'degraded',
      problems: ['the idempotency store fails, and events wait for it: no claim today'],
    })
    mend()
    await clock.advance(5000)
    expect(bus.health()).toMatchObject({ status: 'ok', problems: [] })
    await finish('a1')
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('says so when a partition cannot begin without it', async () => {
    const { broker, bus, clock, holds } = await consuming()
    const mend = holds.fail('parkedKeys')
    const assigned = broker.assign()
    await clock.advance(1000)
    expect(bus.health().problems).toEqual(['the hold store fails, and events wait for it: no parkedKeys today'])
    mend()
    await clock.advance(5000)
    await assigned
    expect(bus.health()).toMatchObject({ status: 'ok', problems: [] })
  })

  it('forgets what it waited for when it closes', async () => {
    const { broker, bus, clock, claims } = await consuming()
    claims.fail('claim')
    broker.deliver(await broker.assign(), 'a1')
    await clock.advance(1000)
    const closed = bus.close({ timeoutMs: 100 })
    await clock.advance(10_000)
    await closed
    expect(bus.health()).toMatchObject({ status: 'closed', problems: [] })
  })
})
