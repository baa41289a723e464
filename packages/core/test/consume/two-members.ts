import type { HoldStore } from '../../src/hold/hold-store.ts'
import { memoryHold } from '../../src/hold/memory-hold.ts'
import type { IdempotencyStore } from '../../src/idempotency/idempotency-store.ts'
import { memoryIdempotency } from '../../src/idempotency/memory-idempotency.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { consuming, type Consuming, type Run } from './consuming.ts'
import { gated, type Gate } from './gated.ts'
import { MovingBroker } from './moving-broker.ts'

/** Two processes of one service that share their stores and a broker. */
export interface TwoMembers {
  readonly members: readonly Consuming[]
  readonly broker: MovingBroker
  readonly claims: Gate<IdempotencyStore>
  readonly holds: Gate<HoldStore>
  readonly hold: HoldStore
  readonly clock: VirtualClock
  /** Ids in the order in which a handler of any member succeeded. */
  readonly completed: string[]
  /** Runs that have not ended, of members that were closed as well. */
  readonly running: () => readonly Run[]
  /** Puts a new process in the place of one that is killed, or closed within `timeoutMs`. */
  replace(place: number, end: { readonly killed: true } | { readonly timeoutMs: number }): Promise<void>
}

/** A member, and its death: nothing of it happens any more. */
interface Mortal {
  readonly member: Consuming
  kill(): void
}

export async function twoMembers(kind: 'log' | 'queue'): Promise<TwoMembers> {
  const clock = virtualClock()
  const claims = gated<IdempotencyStore>(memoryIdempotency({ clock }), { durable: true })
  const holds = gated<HoldStore>(memoryHold({ clock }), { durable: true })
  const completed: string[] = []
  const broker = new MovingBroker(kind, () => clock.monotonic())

  const join = async (): Promise<Mortal> => {
    const ownClaims = gated(claims.store)
    const ownHolds = gated(holds.store)
    let isAlive = true
    const member = await consuming({
      capabilities:
        kind === 'log'
          ? { affinity: 'partition' }
          : { affinity: 'in-flight', redeliver: { maxDelayMs: 900_000, blocks: 'key', keepsPlace: true } },
      subscription: {
        concurrency: 2,
        retry: { maxAttempts: 1000, immediate: 1, delayMs: 100, maxDelayMs: 1000 },
        timeoutMs: 5000,
      },
      options: {
        clock: { ...clock, after: (ms, run) => clock.after(ms, () => isAlive && run()) },
        idempotency: ownClaims.store,
        hold: ownHolds.store,
        consume: { window: 8, leaseMs: 3000, spillAfterMs: 300, abortGraceMs: 500, stalledAfterMs: 1_000_000 },
        observe: () => undefined,
      },
      onFinish: id => void completed.push(id),
    })
    return {
      member,
      kill() {
        isAlive = false
        ownClaims.gate.cut()
        ownHolds.gate.cut()
        member.running.clear()
      },
    }
  }

  const places = [await join(), await join()]
  const former: Consuming[] = []
  const members = (): Consuming[] => places.map(({ member }) => member)
  return {
    get members() {
      return members()
    },
    broker,
    claims: claims.gate,
    holds: holds.gate,
    hold: holds.store,
    clock,
    completed,
    running: () => [...former, ...members()].flatMap(({ running }) => [...running.values()]),
    async replace(place, end) {
      const leaving = places[place]!
      const next = await join()
      if ('killed' in end) leaving.kill()
      else {
        const closed = leaving.member.bus.close(end)
        await clock.advance(end.timeoutMs)
        void closed
        former.push(leaving.member)
      }
      const wasOwner = broker.leave(leaving.member)
      places[place] = next
      if (wasOwner) await broker.assign(next.member)
    },
  }
}
