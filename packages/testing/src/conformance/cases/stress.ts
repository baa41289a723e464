import type { CaseGroup } from '../conformance-case.ts'
import { KeyFailure } from '../key-failure.ts'
import { label, names, orders } from '../orders.ts'
import type { PublishFault } from '../publish-fault.ts'
import type { Member, MemberOptions, Scene } from '../scene.ts'
import { assertOrderByKey } from './expectations.ts'

const publishFaults: readonly PublishFault[] = ['not-stored', 'unknown-stored', 'unknown-lost', 'unknown-late']

export const stress: CaseGroup = {
  name: 'all at once',
  cases: [
    {
      name: 'loses nothing, keeps order by key and repeats no effect, with failures, faults, outages, crashes and restarts',
      run: async scene => {
        const { events: count, keys } = scene.harness.stress ?? { events: 300, keys: 20 }
        const events = orders(names('k', keys), Math.ceil(count / keys))
        const members = [await scene.start('inventory', worker(scene)), await scene.start('inventory', worker(scene))]
        const shop = await scene.start('shop', {
          bus: { publish: { timeoutMs: scene.ms(20_000), retryDelayMs: 2, maxRetryDelayMs: 10 } },
          publishFaults: sometimes(scene),
        })
        const confirmed = new Set<string>()
        const publishing = publishInWaves(shop, events, confirmed)
        const third = Math.floor(events.length / 3)
        await scene.until('a third is completed', () => scene.effects.runs.length >= third, 15_000)
        await members[0]!.kill()
        members.push(await scene.start('inventory', worker(scene)))
        await scene.until('two thirds are completed', () => scene.effects.runs.length >= 2 * third, 15_000)
        await members[1]!.close()
        await publishing
        const wanted = [...confirmed]
        await scene
          .until('every confirmed event is completed', () => missing(scene, wanted).length === 0, 15_000)
          .catch((error: unknown) => {
            const [first = ''] = missing(scene, wanted)
            throw new KeyFailure(
              first.split(':')[0]!,
              first,
              `${missing(scene, wanted).length} missing; ${String(error)}`,
            )
          })
        if (scene.canOrder) assertOrderByKey(scene.effects.firstCompleted(), events)
        assertNoEffectTwice(scene, members)
      },
    },
  ],
}

function worker(scene: Scene): MemberOptions {
  const random = scene.random.fork('handlers')
  return {
    // Where the machine stands still for longer than a lease, a second owner is right.
    bus: { consume: { leaseMs: scene.ms(1000) } },
    subscription: { retry: { maxAttempts: 10, immediate: 2, immediateDelayMs: 1, delayMs: 5, maxDelayMs: 20 } },
    around: { idempotency: unreliable(scene), hold: unreliable(scene) },
    handle: async ({ n }, { attempt }) => {
      // Beyond the immediate attempts: it is delayed, and what comes after it waits in the hold store.
      if (n % 13 === 0 && attempt <= 3) throw new Error('not yet')
      if (random.onceIn(4)) await new Promise(resolve => setImmediate(resolve))
      if (random.onceIn(25)) throw new Error('by chance')
    },
  }
}

/** A store whose calls fail now and then, before or after they took effect. */
function unreliable(scene: Scene): (method: string, call: () => Promise<unknown>) => Promise<unknown> {
  const random = scene.random.fork('stores')
  return async (_, call) => {
    if (random.onceIn(150)) throw new Error('the store is away')
    const result = await call()
    if (random.onceIn(150)) throw new Error('the reply of the store is lost')
    return result
  }
}

function sometimes(scene: Scene): MemberOptions['publishFaults'] {
  const random = scene.random.fork('publish')
  return (_, sends) => (sends === 0 && random.onceIn(20) ? random.pick(publishFaults) : undefined)
}

/** So many at a time that order depends on the bus, not on the caller. */
async function publishInWaves(shop: Member, events: ReturnType<typeof orders>, confirmed: Set<string>): Promise<void> {
  for (let from = 0; from < events.length; from += 200) {
    const wave = events.slice(from, from + 200)
    await Promise.all(wave.map(async event => confirmed.add((await shop.publish(event), label(event)))))
  }
}

function missing(scene: Scene, wanted: readonly string[]): readonly string[] {
  const completed = new Set(scene.effects.completed())
  return wanted.filter(one => !completed.has(one))
}

/** Between the effect and its completion a crash repeats it: only what the killed member ran last may be there twice. */
function assertNoEffectTwice(scene: Scene, members: readonly Member[]): void {
  const [killed] = members
  const seen = new Map<string, string>()
  for (const run of scene.effects.runs) {
    if (run.outcome !== 'completed') continue
    const one = label(run.order)
    const before = seen.get(one)
    seen.set(one, run.who)
    if (before === undefined) continue
    const isCutOff = before === killed!.who || run.who === killed!.who
    if (isCutOff) continue
    throw new KeyFailure(run.order.orderId, one, `${one} was completed by ${before} and again by ${run.who}`)
  }
}
