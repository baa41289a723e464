import { memoryHold, memoryIdempotency, memorySchedule, type Clock } from '@mekong/core'
import type {
  HoldStore,
  IdempotencyStore,
  LeasedEvent,
  PartitionMark,
  ScheduleStore,
  UnendedStart,
} from '@mekong/core/driver'
import { expect, it } from 'vitest'
import {
  HoldScene,
  holdCases,
  IdempotencyScene,
  idempotencyCases,
  ScheduleScene,
  scheduleCases,
  type StoreCaseGroup,
  type StoreHarness,
} from '../../src/stores/index.ts'
import { virtualClock } from '../../src/virtual-clock.ts'

/** A store with one fault, and a sentence of its contract that the kit must find broken. */
type Faults<Store> = readonly (readonly [fault: string, sentence: string, broken: (store: Store) => Partial<Store>])[]

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

const idempotencyFaults: Faults<IdempotencyStore> = [
  [
    'takes its own token for a duplicate',
    'a lost reply is no duplicate',
    store => ({
      claim: async requests =>
        store.claim(requests.map(request => ({ ...request, token: `${request.token} ${Math.random()}` }))),
    }),
  ],
  [
    'claims in two steps',
    'grants an identity to one of many',
    store => {
      const seen = new Set<string>()
      return {
        claim: async requests => {
          const isFree = requests.map(({ identity }) => !seen.has(identity.event + identity.scope))
          await turn()
          for (const { identity } of requests) seen.add(identity.event + identity.scope)
          const answers = await store.claim(requests)
          return answers.map((answer, index) =>
            isFree[index] && answer.is === 'busy' ? { is: 'mine', fence: 1, takeover: false } : answer,
          )
        },
      }
    },
  ],
  [
    'says nothing of a takeover',
    'it is a takeover',
    store => ({
      claim: async requests =>
        (await store.claim(requests)).map(answer => (answer.is === 'mine' ? { ...answer, takeover: false } : answer)),
    }),
  ],
  [
    'lets everybody complete',
    'refuses a zombie everything',
    store => ({ complete: async claims => (await store.complete(claims), claims.map(() => true)) }),
  ],
  [
    'extends whatever it is asked',
    'refuses a zombie everything',
    store => ({ extend: async (claims, ms) => (await store.extend(claims, ms), claims.map(() => true)) }),
  ],
  ['forgets to hold', 'is held once held', () => ({ hold: async claims => claims.map(() => true) })],
  ['ignores release', 'gives a released claim to the next', () => ({ release: async () => {} })],
  [
    'lets anybody take what is held',
    'is held once held',
    store => ({ claim: requests => store.claim(requests.map(request => ({ ...request, from: 'held' }))) }),
  ],
]

const holdFaults: Faults<HoldStore> = [
  [
    'loses bytes',
    'to the byte',
    store => ({
      hold: (event, limits) =>
        store.hold({ ...event, message: { ...event.message, body: event.message.body.slice(0, 100) } }, limits),
    }),
  ],
  [
    'appends in two steps',
    'never strands an event',
    store => ({
      appendIfParked: async (events, limits) => {
        const found = await store.lookup(
          events[0]!.scope,
          events.map(({ event, key }) => ({ event, key })),
        )
        await turn()
        await store.appendIfParked(events, limits)
        return found.map(answer => (answer === 'free' ? 'not-parked' : 'appended'))
      },
    }),
  ],
  [
    'does not fence',
    'is fenced by a record',
    store => ({ hold: (event, limits) => store.hold({ ...event, fence: event.fence + 1000 }, limits) }),
  ],
  [
    'has no limits',
    'is full at the limit of keys',
    store => ({ hold: event => store.hold(event, { maxParkedKeys: 1e9, maxParkedPerKey: 1e9 }) }),
  ],
  [
    'unparks whatever is behind',
    'runs a lane in order',
    store => ({
      finish: async (lease, event) => ((await store.finish(lease, event)) === 'lost' ? 'lost' : 'unparked'),
    }),
  ],
  [
    'loses what is set aside',
    'sets a dead head aside',
    store => ({ setAside: (lease, event) => store.finish(lease, event.event) }),
  ],
  [
    'leaves a dead head where it is',
    'unparks a key whose last event is set aside',
    store => ({ setAside: async (lease, event) => ((await store.keep(lease, event)) ? 'more' : 'lost') }),
  ],
  [
    'discards what a zombie sets aside',
    'for an owner who lost the lease',
    store => ({
      setAside: async (lease, event) => {
        await store.discard({ group: event.scope.group, event: event.event })
        return store.setAside(lease, event)
      },
    }),
  ],
  [
    'leases without a limit',
    'leases the oldest first',
    store => ({ leaseDue: (scope, request) => store.leaseDue(scope, { ...request, limit: 1e9 }) }),
  ],
  [
    'extends whatever it is asked',
    'lets an expired lease be taken over',
    store => ({ extend: async (leases, ms) => (await store.extend(leases, ms), leases.map(() => true)) }),
  ],
  ['redrives everything', 'redrives what matches', store => ({ redrive: ({ group }) => store.redrive({ group }) })],
  ['lists without pages', 'lists page by page', store => ({ list: filter => store.list(filter, { limit: 1e9 }) })],
  [
    'holds behind the spilled tail',
    'ahead of its spilled tail',
    store => ({
      hold: async (event, limits) => {
        await store.appendIfParked([event], limits)
        return store.hold(event, limits)
      },
    }),
  ],
  [
    'counts no takeovers',
    'counts the owners in a row',
    store => ({
      leaseDue: async (scope, request) =>
        (await store.leaseDue(scope, request)).map(lease => ({ ...lease, takeovers: 0 })),
    }),
  ],
  ['forgets its marks', 'tells the next owner of one that ended', () => ({ openPartition: async () => undefined })],
  [
    'takes an owner who lives for one that ended',
    'comes back to an owner who still lives',
    store => ({ openPartition: mark => store.openPartition({ ...mark, owner: mark.token }) }),
  ],
  ['forgets to close', 'finds a partition clean that its owner closed', () => ({ closePartition: async () => {} })],
  [
    'closes for earlier assignments',
    'lets no close of an earlier assignment',
    store => {
      const last = new Map<string, PartitionMark>()
      return {
        openPartition: mark => (last.set(mark.owner, mark), store.openPartition(mark)),
        closePartition: mark => store.closePartition(last.get(mark.owner)!),
      }
    },
  ],
  [
    'records for zombies',
    'refuses what a former owner records',
    store => {
      let last: PartitionMark | undefined
      return {
        openPartition: mark => store.openPartition((last = mark)),
        recordStarts: (_, starts) => store.recordStarts(last!, starts),
      }
    },
  ],
  [
    'adds to its record',
    'what was started and has not ended',
    store => {
      const all: UnendedStart[] = []
      return { recordStarts: (mark, starts) => store.recordStarts(mark, all.splice(0, 0, ...(starts ?? [])) && all) }
    },
  ],
]

const scheduleFaults: Faults<ScheduleStore> = [
  [
    'deletes for zombies',
    'ignores the delete of its old owner',
    store => {
      const last = new Map<string, LeasedEvent>()
      return {
        leaseDue: async request => {
          const leased = await store.leaseDue(request)
          for (const one of leased) last.set(one.event.id, one)
          return leased
        },
        delete: events => store.delete(events.map(({ event }) => last.get(event.id)!)),
      }
    },
  ],
  [
    'leases without a limit',
    'leases the oldest first',
    store => ({ leaseDue: request => store.leaseDue({ ...request, limit: 1e9 }) }),
  ],
]

it.each(idempotencyFaults)('finds an idempotency store that %s: "%s"', async (_fault, sentence, broken) => {
  const failed = await failures(
    clock => memoryIdempotency({ clock }),
    broken,
    idempotencyCases,
    (store, harness) => new IdempotencyScene(store, harness),
  )
  expect(failed.join('\n')).toContain(sentence)
})

it.each(holdFaults)('finds a hold store that %s: "%s"', async (_fault, sentence, broken) => {
  const failed = await failures(
    clock => memoryHold({ clock }),
    broken,
    holdCases,
    (store, harness) => new HoldScene(store, harness),
  )
  expect(failed.join('\n')).toContain(sentence)
})

it.each(scheduleFaults)('finds a schedule store that %s: "%s"', async (_fault, sentence, broken) => {
  const failed = await failures(
    memorySchedule,
    broken,
    scheduleCases,
    (store, harness) => new ScheduleScene(store, harness),
  )
  expect(failed.join('\n')).toContain(sentence)
})

/** The sentences that a store with this fault breaks. */
async function failures<Store extends object, Scene>(
  create: (clock: Clock) => Store,
  broken: (store: Store) => Partial<Store>,
  groups: readonly StoreCaseGroup<Scene>[],
  sceneOf: (store: Store, harness: StoreHarness<Store>) => Scene,
): Promise<readonly string[]> {
  const failed: string[] = []
  for (const { name, run } of groups.flatMap(({ cases }) => cases)) {
    const clock = virtualClock({ startAt: 1_700_000_000_000 })
    const store = create(clock)
    const faulty = broken(store)
    const proxy = new Proxy(store, {
      get(target, property) {
        const value: unknown = Reflect.get(Object.hasOwn(faulty, property) ? faulty : target, property, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const harness = {
      open: () => proxy,
      passTime: (ms: number) => clock.advance(ms),
      now: () => clock.now(),
      shortLeaseMs: 1000,
    }
    await run(sceneOf(proxy, harness)).catch(() => failed.push(name))
  }
  return failed
}
