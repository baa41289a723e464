import type { Capabilities } from '../../src/driver/driver-contract.ts'
import type { EventBusOptions } from '../../src/event-bus-options.ts'
import type { SubscriptionOptions } from '../../src/event-bus.ts'
import type { HoldStore } from '../../src/hold/hold-store.ts'
import { memoryHold } from '../../src/hold/memory-hold.ts'
import { memoryIdempotency } from '../../src/idempotency/memory-idempotency.ts'
import type { Signal } from '../../src/signal.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { consuming, type Consuming, type Run } from './consuming.ts'
import { gated, type Gate } from './gated.ts'
import { MovingBroker } from './moving-broker.ts'

/** One life of a service, from the start of its process to its end. */
export interface Life extends Consuming {
  /** The process ends without a word: nothing of it happens any more. The broker learns of it later. */
  die(): void
}

/** A service on one partition of a log that nobody counts deliveries of, with a hold store that outlives its processes. */
export interface MortalService {
  readonly broker: MovingBroker
  readonly clock: VirtualClock
  readonly hold: HoldStore
  readonly holds: Gate<HoldStore>
  readonly signals: Signal[]
  /** A new process, which is given the partition, and what is stored. */
  begin(): Promise<Life>
  /** The same without the partition. */
  start(): Promise<Life>
  /** Ends it as a crash does, the partition included. */
  kill(life: Life): Promise<void>
}

export interface MortalSetting {
  readonly subscription?: SubscriptionOptions
  readonly options?: Partial<EventBusOptions>
  readonly capabilities?: Partial<Capabilities>
  readonly holdIsDurable?: boolean
  /** Of the broker. */
  readonly durable?: boolean
  readonly onRun?: (run: Run, life: () => Life) => unknown
}

export function mortalService(setting: MortalSetting = {}): MortalService {
  const clock = virtualClock()
  const broker = new MovingBroker('log', () => clock.monotonic())
  const holds = gated<HoldStore>(memoryHold({ clock }), { durable: setting.holdIsDurable ?? true })
  const signals: Signal[] = []

  const start = async (): Promise<Life> => {
    const own = gated(holds.store)
    let isAlive = true
    let life: Life
    const process = await consuming({
      capabilities: {
        affinity: 'partition',
        backstop: false,
        durable: setting.durable ?? false,
        ...setting.capabilities,
      },
      subscription: { concurrency: 4, retry: { maxAttempts: 3 }, ...setting.subscription },
      onRun: run => setting.onRun?.(run, () => life),
      options: {
        clock: { ...clock, after: (ms, run) => clock.after(ms, () => isAlive && run()) },
        idempotency: memoryIdempotency({ clock }),
        hold: own.store,
        observe: signal => void signals.push(signal),
        ...setting.options,
      },
    })
    life = Object.assign(process, {
      die() {
        isAlive = false
        own.gate.cut()
        process.running.clear()
      },
    })
    return life
  }

  return {
    broker,
    clock,
    hold: holds.store,
    holds: holds.gate,
    signals,
    start,
    async begin() {
      const life = await start()
      await broker.assign(life)
      broker.deliver(1000)
      await clock.settle()
      return life
    },
    async kill(life) {
      life.die()
      broker.leave(life)
      await clock.settle()
    },
  }
}
