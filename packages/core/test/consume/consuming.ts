import { createEventBus } from '../../src/create-event-bus.ts'
import type { Capabilities } from '../../src/driver/driver-contract.ts'
import type { EventBus, SubscriptionOptions } from '../../src/event-bus.ts'
import type { EventBusOptions } from '../../src/event-bus-options.ts'
import type { HandlerContext } from '../../src/handler.ts'
import type { HoldStore } from '../../src/hold/hold-store.ts'
import { memoryHold } from '../../src/hold/memory-hold.ts'
import type { IdempotencyStore } from '../../src/idempotency/idempotency-store.ts'
import { memoryIdempotency } from '../../src/idempotency/memory-idempotency.ts'
import type { Signal } from '../../src/signal.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { gated, type Gate } from './gated.ts'
import { scriptedBroker, type ScriptedBroker } from './scripted-broker.ts'

/** One run of a handler, which the test ends. */
export interface Run {
  readonly id: string
  readonly context: HandlerContext
  finish(): void
  fail(error?: unknown): void
}

/** A bus on a scripted broker, with stores that the test may stop, and time that passes only when it says so. */
export interface Consuming {
  readonly clock: VirtualClock
  readonly broker: ScriptedBroker
  readonly bus: EventBus
  readonly claims: Gate<IdempotencyStore>
  readonly holds: Gate<HoldStore>
  readonly idempotency: IdempotencyStore
  readonly hold: HoldStore
  readonly signals: Signal[]
  /** Ids in the order in which their runs began, repetitions included. */
  readonly begun: string[]
  /** Ids in the order in which a run of theirs succeeded. */
  readonly finished: string[]
  /** Runs that have not ended. */
  readonly running: Map<string, Run>
  /** Lets the run of this event succeed, or fail, and everything go on that needs no time. */
  readonly finish: (...ids: string[]) => Promise<void>
  readonly fail: (id: string, error?: unknown) => Promise<void>
  /** Signals of one kind. */
  readonly seen: <Is extends Signal['is']>(is: Is) => Extract<Signal, { is: Is }>[]
}

export interface Setting {
  readonly capabilities?: Partial<Capabilities>
  readonly subscription?: SubscriptionOptions
  readonly options?: Partial<EventBusOptions>
  /** What an event does as soon as it runs; undefined: it waits for the test. */
  readonly onRun?: (run: Run) => unknown
  readonly onFinish?: (id: string) => unknown
  readonly durable?: boolean
  /** False: nothing is subscribed nor started. */
  readonly started?: boolean
}

export async function consuming(setting: Setting = {}): Promise<Consuming> {
  const clock = (setting.options?.clock as VirtualClock | undefined) ?? virtualClock()
  const broker = scriptedBroker(setting.capabilities)
  const durable = setting.durable ?? false
  const claims = gated<IdempotencyStore>(memoryIdempotency({ clock }), { durable })
  const holds = gated<HoldStore>(memoryHold({ clock }), { durable })
  const signals: Signal[] = []
  const begun: string[] = []
  const finished: string[] = []
  const running = new Map<string, Run>()

  const handler = (_: unknown, context: HandlerContext): Promise<unknown> => {
    const { id } = context
    begun.push(id)
    return new Promise((resolve, reject) => {
      const end = (outcome: () => void): void => {
        if (running.get(id) === run) running.delete(id)
        outcome()
      }
      const run: Run = {
        id,
        context,
        finish: () => {
          finished.push(id)
          setting.onFinish?.(id)
          end(() => resolve(undefined))
        },
        fail: (error = new Error('no')) => end(() => reject(error)),
      }
      running.set(id, run)
      setting.onRun?.(run)
    })
  }
  const bus = await createEventBus({
    service: 'stock',
    broker: broker.driver,
    clock,
    random: () => 0.5,
    idempotency: claims.store,
    hold: holds.store,
    observe: signal => void signals.push(signal),
    ...setting.options,
  })
  if (setting.started !== false) {
    bus.subscribe('order', handler, setting.subscription)
    await bus.start()
  }
  const ended = (id: string): Run => {
    const run = running.get(id)
    if (run === undefined) throw new Error(`${id} does not run; running: ${[...running.keys()].join(', ')}`)
    return run
  }
  return {
    clock,
    broker,
    bus,
    claims: claims.gate,
    holds: holds.gate,
    idempotency: claims.store,
    hold: holds.store,
    signals,
    begun,
    finished,
    running,
    async finish(...ids) {
      for (const id of ids) {
        await clock.settle()
        ended(id).finish()
        await clock.settle()
      }
    },
    async fail(id, error) {
      await clock.settle()
      ended(id).fail(error)
      await clock.settle()
    },
    seen: is => signals.filter(signal => signal.is === is) as never,
  }
}

/** Another process that shares the stores claims an event, and keeps it for `leaseMs`. */
export async function claimElsewhere(store: IdempotencyStore, id: string, leaseMs = 30_000): Promise<void> {
  const identity = { scope: 'stock/order', event: `shop ${id}` }
  await store.claim([{ identity, token: 'elsewhere', leaseMs, from: 'live' }])
}
