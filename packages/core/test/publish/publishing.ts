import type { Capabilities } from '../../src/driver/driver-contract.ts'
import { isMekongError } from '../../src/error.ts'
import type { PreparedEvent } from '../../src/event/event.ts'
import { createPublisher, type Publisher, type SendOptions } from '../../src/publish/publisher.ts'
import { resolvePublishTuning, type PublishTuning } from '../../src/publish/publish-tuning.ts'
import type { Signal } from '../../src/signal.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { scriptedDriver, type Call, type ScriptedDriver } from './scripted-driver.ts'

export interface Publishing {
  readonly clock: VirtualClock
  readonly driver: ScriptedDriver
  readonly publisher: Publisher
  readonly signals: Signal[]
  /** `published`, or the code of the error, by event id, as they happen. */
  readonly outcomes: Map<string, string>
  /** Sends `id` with `key`; its outcome turns up in `outcomes`. */
  send(id: string, key?: string, how?: SendOptions & { readonly size?: number; readonly topic?: string }): void
  /** The ids of each call so far. */
  batches(): readonly (readonly string[])[]
}

export function publishing(
  setting: {
    readonly capabilities?: Partial<Capabilities>
    readonly tuning?: Partial<PublishTuning>
    readonly onPublish?: (call: Call) => void
    readonly random?: () => number
  } = {},
): Publishing {
  const clock = virtualClock()
  const driver = scriptedDriver(setting.capabilities, setting.onPublish)
  const signals: Signal[] = []
  const outcomes = new Map<string, string>()
  const publisher = createPublisher({
    driver,
    clock,
    random: setting.random ?? (() => 1),
    observe: signal => void signals.push(signal),
    options: resolvePublishTuning(setting.tuning),
  })
  const conclude = (id: string, outcome: string): void => {
    outcomes.set(id, outcomes.has(id) ? `${outcomes.get(id)} and ${outcome}` : outcome)
  }
  return {
    clock,
    driver,
    publisher,
    signals,
    outcomes,
    send(id, key, { size = 10, topic = 'orders', ...how } = {}) {
      publisher.send(prepared(id, { key, size, topic }), how).then(
        () => conclude(id, 'published'),
        (error: unknown) => conclude(id, isMekongError(error) ? error.code : String(error)),
      )
    },
    batches: () => driver.calls.map(call => call.ids),
  }
}

export function prepared(
  id: string,
  { key, size, topic }: { readonly key?: string | undefined; readonly size: number; readonly topic: string },
): PreparedEvent {
  return { id, type: 'order.created', topic, key, headers: { 'ce-id': id }, body: new Uint8Array(size) }
}
