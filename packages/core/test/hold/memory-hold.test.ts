import assert from 'node:assert/strict'
import { virtualClock } from '@mekong/testing'
import fc from 'fast-check'
import { it } from 'vitest'
import type { HeldEvent, HoldLease } from '../../src/hold/hold-store.ts'
import { memoryHold } from '../../src/hold/memory-hold.ts'

const scope = { group: 'inventory', subscription: 'order.created' }
const limits = { maxParkedKeys: 2, maxParkedPerKey: 3 }

interface NaiveRecord {
  event: HeldEvent
  number: number
  isAhead: boolean
  isRedriven: boolean
}

/** By the key, or for an event without one by its name: here no key is named as an event. */
function laneOf(event: HeldEvent): string {
  return event.key ?? event.event
}

/** Everything in one flat list; every answer follows from filtering and sorting it. */
class NaiveHold {
  readonly #all: NaiveRecord[] = []
  readonly #leases = new Map<string, { fence: number; until: number }>()
  #numbers = 0

  lane(name: string): readonly HeldEvent[] {
    return this.#lane(name).map(({ event }) => event)
  }

  list(): readonly HeldEvent[] {
    return this.#all.toSorted((one, other) => one.number - other.number).map(({ event }) => event)
  }

  isParked(key: string): boolean {
    return this.#lane(key).length > 0 || this.#leases.has(key)
  }

  hold(event: HeldEvent): string {
    const there = this.#find(event.event)
    if (there !== undefined) {
      if (there.event.fence > event.fence) return 'fenced'
      Object.assign(there, { event: { ...event, key: there.event.key }, isRedriven: false })
      return 'held'
    }
    if (!this.isParked(event.key!) && this.#lanes().size >= limits.maxParkedKeys) return 'full'
    if (this.#lane(event.key!).length >= limits.maxParkedPerKey) return 'full'
    this.#add(event, true)
    return 'held'
  }

  append(event: HeldEvent): string {
    if (this.#find(event.event) !== undefined) return 'appended'
    if (!this.isParked(event.key!)) return 'not-parked'
    if (this.#lane(event.key!).length >= limits.maxParkedPerKey) return 'full'
    this.#add(event, false)
    return 'appended'
  }

  spill(events: readonly HeldEvent[], until: number, fence: number | undefined): boolean {
    const key = events[0]!.key!
    if (this.isParked(key) || this.#lanes().size >= limits.maxParkedKeys) return false
    for (const event of events) if (this.#find(event.event) === undefined) this.#add(event, false)
    this.#leases.set(key, { fence: fence!, until })
    return true
  }

  due(now: number): readonly string[] {
    return [...this.#lanes()].filter(key => {
      const lease = this.#leases.get(key)
      if (lease !== undefined && lease.until > now) return false
      if (lease !== undefined && this.#lane(key).length === 0) this.#leases.delete(key)
      return this.#isDue(key, now)
    })
  }

  lease(key: string, fence: number, until: number): void {
    this.#leases.set(key, { fence, until })
  }

  extend(lease: HoldLease, until: number): boolean {
    if (!this.#has(lease)) return false
    this.#leases.set(lease.lane, { fence: lease.fence, until })
    return true
  }

  head(lease: HoldLease, now: number): string | undefined {
    return this.#has(lease) && this.#isDue(lease.lane, now) ? this.#lane(lease.lane)[0]!.event.event : undefined
  }

  finish(lease: HoldLease, event: string): string {
    if (!this.isParked(lease.lane)) return 'unparked'
    if (!this.#has(lease)) return 'lost'
    if (this.#isIn(lease, event)) this.#remove(event)
    return this.#leave(lease)
  }

  setAside(lease: HoldLease, event: HeldEvent): string {
    if (!this.isParked(lease.lane)) return 'unparked'
    if (!this.#has(lease)) return 'lost'
    if (this.#isIn(lease, event.event)) {
      const there = this.#find(event.event)!
      if (there.event.fence > event.fence) return 'lost'
      Object.assign(there, { event: { ...event, key: undefined }, isAhead: true, isRedriven: false })
    }
    return this.#leave(lease)
  }

  /** Undefined: not asked of a lease that ended, where the store may repeat its answer. */
  keep(lease: HoldLease, event: HeldEvent): boolean | undefined {
    if (!this.#has(lease)) return this.#leases.has(lease.lane) ? false : undefined
    const there = this.#isIn(lease, event.event) ? this.#find(event.event) : undefined
    if (there !== undefined && there.event.fence <= event.fence) Object.assign(there, { event, isRedriven: false })
    this.#leases.delete(lease.lane)
    return true
  }

  release(lease: HoldLease): void {
    if (this.#has(lease)) this.#leases.delete(lease.lane)
  }

  redrive(key: string): number {
    const [head] = this.#lane(key)
    if (head === undefined || head.event.state === 'parked') return 0
    head.isRedriven = true
    return 1
  }

  /** A lease that ran out keeps no lane that has become empty. */
  discard(name: string, now: number): number {
    const there = this.#find(name)
    if (there === undefined) return 0
    const lane = laneOf(there.event)
    this.#remove(name)
    const lease = this.#leases.get(lane)
    if (this.#lane(lane).length === 0 && lease !== undefined && lease.until <= now) this.#leases.delete(lane)
    return 1
  }

  #isIn({ lane }: HoldLease, name: string): boolean {
    return this.#lane(lane).some(({ event }) => event.event === name)
  }

  #leave({ lane }: HoldLease): string {
    if (this.#lane(lane).length > 0) return 'more'
    this.#leases.delete(lane)
    return 'unparked'
  }

  #find(event: string): NaiveRecord | undefined {
    return this.#all.find(one => one.event.event === event)
  }

  #add(event: HeldEvent, isAhead: boolean): void {
    this.#all.push({ event, isAhead, number: this.#numbers++, isRedriven: false })
  }

  #remove(event: string): void {
    this.#all.splice(
      this.#all.findIndex(one => one.event.event === event),
      1,
    )
  }

  #has(lease: HoldLease): boolean {
    return this.#leases.get(lease.lane)?.fence === lease.fence
  }

  #lane(name: string): readonly NaiveRecord[] {
    return this.#all
      .filter(({ event }) => laneOf(event) === name)
      .toSorted((one, other) => Number(other.isAhead) - Number(one.isAhead) || one.number - other.number)
  }

  #isDue(key: string, now: number): boolean {
    const [head] = this.#lane(key)
    if (head === undefined) return false
    return head.isRedriven || head.event.state === 'parked' || (head.event.dueAt ?? Infinity) <= now
  }

  #lanes(): Set<string> {
    return new Set([...this.#all.map(({ event }) => laneOf(event)), ...this.#leases.keys()])
  }
}

it('answers every sequence of calls as a flat list does', async () => {
  const key = fc.constantFrom('k1', 'k2', 'k3')
  const event = fc.constantFrom('a', 'b', 'x')
  const ms = fc.integer({ min: 0, max: 20 })
  const fence = fc.integer({ min: 1, max: 3 })
  // A lease to act under, of all that were ever given: zombies act too.
  const which = fc.nat()
  const step = fc.oneof(
    fc.record({
      call: fc.constant('hold' as const),
      key,
      event,
      ms,
      fence,
      state: fc.constantFrom('dead' as const, 'delayed' as const),
    }),
    fc.record({ call: fc.constant('append' as const), key, event, fence }),
    fc.record({ call: fc.constant('spill' as const), key, ms }),
    fc.record({ call: fc.constant('lease' as const), ms }),
    fc.record({ call: fc.constantFrom('finish' as const, 'head' as const, 'release' as const), which, event }),
    fc.record({ call: fc.constant('setAside' as const), which, event, fence }),
    fc.record({ call: fc.constant('extend' as const), which, ms }),
    fc.record({
      call: fc.constant('keep' as const),
      which,
      event,
      fence,
      ms,
      state: fc.constantFrom('dead' as const, 'delayed' as const),
    }),
    fc.record({ call: fc.constant('redrive' as const), key }),
    fc.record({ call: fc.constant('discard' as const), key, event }),
    fc.record({ call: fc.constant('pass' as const), ms }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), async steps => {
      const clock = virtualClock()
      const store = memoryHold({ clock })
      const naive = new NaiveHold()
      const leases: HoldLease[] = []
      for (const one of steps) {
        const now = clock.now()
        const lease = 'which' in one ? leases[one.which % leases.length] : undefined
        if ('which' in one && lease === undefined) continue
        const key = lease?.ordered === true ? lease.lane : undefined
        const ofKey = key ?? ('key' in one ? one.key : '')
        // A lane without order has one event only.
        const name = lease?.ordered === false ? lease.lane : 'event' in one ? `${ofKey}/${one.event}` : ''
        switch (one.call) {
          case 'pass':
            await clock.advance(one.ms)
            break
          case 'hold': {
            const held = heldEvent(name, one.key, {
              state: one.state,
              dueAt: one.state === 'dead' ? undefined : now + one.ms,
              fence: one.fence,
            })
            assert.deepEqual(await store.hold(held, limits), naive.hold(held))
            break
          }
          case 'append': {
            const parked = heldEvent(name, one.key, { fence: one.fence })
            assert.deepEqual(await store.appendIfParked([parked], limits), [naive.append(parked)])
            break
          }
          case 'spill': {
            const events = ['x', 'y'].map(part => heldEvent(`${one.key}/${part}`, one.key, {}))
            // A new owner each time: the same one would be given his lease again.
            const owner = `lane ${leases.length}`
            const given = await store.spill(events, { owner, leaseMs: one.ms, limits })
            assert.deepEqual(given !== undefined, naive.spill(events, now + one.ms, given?.fence))
            if (given !== undefined) leases.push(given)
            break
          }
          case 'lease': {
            const given = await store.leaseDue(scope, { owner: 'worker', leaseMs: one.ms, limit: 10 })
            assert.deepEqual(given.map(({ lane }) => lane).toSorted(), naive.due(now).toSorted())
            for (const { lane, fence: granted } of given) naive.lease(lane, granted, now + one.ms)
            leases.push(...given)
            break
          }
          case 'extend':
            assert.deepEqual(await store.extend([lease!], one.ms), [naive.extend(lease!, now + one.ms)])
            break
          case 'head':
            assert.deepEqual((await store.head(lease!))?.event, naive.head(lease!, now))
            break
          case 'finish':
            assert.deepEqual(await store.finish(lease!, name), naive.finish(lease!, name))
            break
          case 'setAside': {
            const dead = heldEvent(name, undefined, { state: 'dead', fence: one.fence })
            assert.deepEqual(await store.setAside(lease!, dead), naive.setAside(lease!, dead))
            break
          }
          case 'keep': {
            const kept = heldEvent(name, key, {
              state: one.state,
              dueAt: one.state === 'dead' ? undefined : now + one.ms,
              fence: one.fence,
            })
            const expected = naive.keep(lease!, kept)
            if (expected !== undefined) assert.deepEqual(await store.keep(lease!, kept), expected)
            break
          }
          case 'release':
            await store.release(lease!)
            naive.release(lease!)
            break
          case 'redrive':
            assert.deepEqual(await store.redrive({ group: scope.group, key: one.key }), naive.redrive(one.key))
            break
          case 'discard':
            assert.deepEqual(await store.discard({ group: scope.group, event: name }), naive.discard(name, now))
            break
        }
        assert.deepEqual((await store.list({ group: scope.group }, { limit: 100 })).events, naive.list())
        const keys = ['k1', 'k2', 'k3']
        assert.deepEqual(
          (await store.parkedKeys(scope)).toSorted(),
          keys.filter(parked => naive.isParked(parked)),
        )
      }
    }),
    { numRuns: 150 },
  )
})

function heldEvent(event: string, key: string | undefined, more: Partial<HeldEvent>): HeldEvent {
  const message = {
    topic: 'orders',
    partition: '0',
    position: '0',
    messageId: undefined,
    key,
    headers: {},
    body: new Uint8Array(),
  }
  return {
    scope,
    event,
    key,
    state: 'parked',
    dueAt: undefined,
    message,
    attempts: 1,
    reason: { code: 'Error', message: 'no' },
    heldAt: 0,
    fence: 1,
    ...more,
  }
}
