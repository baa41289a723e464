import { describe, expect, it } from 'vitest'
import type { Fate, Incoming, Outgoing } from '../../src/driver/driver-contract.ts'
import { headerView } from '../../src/event/headers.ts'
import { BrokerError, notStored, stored } from '../publish/scripted-driver.ts'
import { consuming, type Consuming } from './consuming.ts'
import { incoming } from './scripted-broker.ts'

const limit = 64 * 1024

/** A service without a hold store whose handler fails always, and that got a message of somebody else. */
async function dying(
  strange: Partial<Incoming>,
  answer: (letter: Outgoing) => Fate = () => stored,
): Promise<Consuming & { readonly message: Incoming; readonly taken: Outgoing[] }> {
  const service = await consuming({
    capabilities: { durable: true, maxBytes: limit },
    options: { hold: undefined },
    subscription: { retry: { maxAttempts: 1 } },
    onRun: run => run.fail(),
  })
  const { broker, clock } = service
  const taken: Outgoing[] = []
  broker.on.classify = error => (error instanceof BrokerError ? error.failure : 'transient')
  broker.on.publish = letters =>
    letters.map(letter => {
      const fate = answer(letter)
      if (fate.is === 'stored') taken.push(letter)
      return fate
    })
  const message = { ...incoming(await broker.assign(), 'a1', '1'), ...strange }
  broker.joined.at(-1)!.sink.messages([message])
  await clock.settle()
  return { ...service, message, taken }
}

function withHeaders(headers: Readonly<Record<string, string>>): Partial<Incoming> {
  const event = { 'ce-specversion': '1.0', 'ce-id': 'a1', 'ce-source': 'shop', 'ce-type': 'order' }
  return { headers: headerView({ ...event, 'content-type': 'application/json', ...headers }) }
}

describe('the letter of a dead event', () => {
  it('goes in two halves where what is said of the event makes it too large', async () => {
    const body = Buffer.alloc(limit - 150, '1')
    const { broker, taken } = await dying({ body })
    expect(Buffer.concat(taken.map(letter => letter.body))).toEqual(body)
    expect(taken.map(({ key, headers }) => [key, headers['ce-id'], headers['mekong-dead-part']])).toEqual([
      ['a', 'a1/1', '1/2'],
      ['a', 'a1/2', '2/2'],
    ])
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('leaves out its own headers and the key where they are too many, and says so', async () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`h${index}`, 'v']))
    const { broker, taken, message } = await dying(withHeaders(many))
    expect(Buffer.concat(taken.map(({ body }) => body))).toEqual(message.body)
    expect(taken[0]).toMatchObject({ key: undefined, headers: { 'mekong-dead-code': 'UNDECODABLE' } })
    expect(taken[0]!.headers['mekong-dead-headers-left-out']).toBe('305')
    expect(Object.keys(taken[0]!.headers).every(name => name.startsWith('mekong-dead-'))).toBe(true)
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('leaves them out where the broker can never take them', async () => {
    const { broker, taken } = await dying(withHeaders({ strange: 's' }), ({ headers }) =>
      headers['strange'] === undefined ? stored : notStored('illegal'),
    )
    expect(taken.map(({ headers }) => headers['mekong-dead-headers-left-out'])).toEqual(['6', '6'])
    expect(broker.settled).toEqual(['a1 acknowledge'])
  })

  it('is sent again as it is while its topic refuses it, and the health of the service says so', async () => {
    let isTopicThere = false
    const { bus, broker, clock, taken } = await dying({}, () => (isTopicThere ? stored : notStored('refused')))
    await clock.advance(60_000)
    expect(broker.settled).toEqual([])
    expect(bus.health()).toMatchObject({ status: 'degraded', problems: ['stopped at a dead event: order: a'] })
    isTopicThere = true
    await clock.advance(60_000)
    expect(taken.map(({ headers }) => headers['mekong-dead-part'])).toEqual([undefined])
    expect(broker.settled).toEqual(['a1 acknowledge'])
    expect(bus.health()).toMatchObject({ status: 'ok', problems: [] })
  })
})
