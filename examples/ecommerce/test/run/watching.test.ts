import { virtualClock } from '@mekong/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { ServiceControl } from '../../src/platform/service-control.ts'
import { emptyTally } from '../../src/platform/tally.ts'
import type { Shop } from '../../src/run/shop.ts'
import { watch } from '../../src/run/watching.ts'

let clock: ReturnType<typeof virtualClock>
/** What each service says is open; undefined: it gives no answer. */
let open: number | undefined
let emails: number
const placing = { placed: 10 }
beforeEach(() => {
  clock = virtualClock()
  open = 10
  emails = 0
})

const control: ServiceControl = {
  status: () => Promise.resolve({ unfinished: { 'open orders': open ?? 0 }, tally: emptyTally(), problems: [] }),
  redriveDead: () => Promise.resolve(0),
  timeline: () => Promise.resolve([]),
}
const shop: Shop = {
  place: () => Promise.resolve(),
  ask: (_name, question) => (open === undefined ? Promise.reject(new Error('no answer')) : question(control)),
  tally: () => Promise.resolve(emptyTally()),
  broken: new Promise<never>(() => undefined),
  [Symbol.asyncDispose]: () => Promise.resolve(),
}

/** Undefined while the watch goes on. */
function startWatch(): () => readonly string[] | undefined {
  let ended: readonly string[] | undefined
  const progress = { surveyed: () => undefined, moved: () => undefined, tell: () => undefined }
  const parts = { shop, placing, total: 10, countEmails: () => emails, trouble: undefined, progress, clock }
  void watch(parts, new AbortController().signal).then(unfinished => (ended = unfinished))
  return () => ended
}

describe('watching a run', () => {
  it('ends when nothing is open and each order has its email', async () => {
    const ended = startWatch()
    await clock.advance(1000)
    open = 0
    await clock.advance(1000)
    expect(ended()).toBeUndefined()
    emails = 10
    await clock.advance(200)
    expect(ended()).toEqual([])
  })

  it('gives up when nothing has moved for a minute, and not while something moves', async () => {
    const ended = startWatch()
    for (; emails < 5; emails++) await clock.advance(59_000)
    expect(ended()).toBeUndefined()
    await clock.advance(62_000)
    expect(ended()).toEqual(['40 open orders'])
  })

  it('is patient while services are killed and give no answer, and gives up when they never do', async () => {
    const ended = startWatch()
    open = undefined
    await clock.advance(170_000)
    expect(ended()).toBeUndefined()
    open = 0
    emails = 10
    await clock.advance(200)
    expect(ended()).toEqual([])

    const second = startWatch()
    open = undefined
    await clock.advance(185_000)
    expect(second()).toEqual(['order', 'inventory', 'payment', 'email'].map(name => `${name}: it gives no answer`))
  })
})
