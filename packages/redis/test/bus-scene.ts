import { createEventBus, type EventBus, type Signal } from '@mekong/core'
import type { IdempotencyStore } from '@mekong/core/driver'

/** A service on the memory broker whose handler notes what it handles, and the signals of its bus. */
export class BusScene implements AsyncDisposable {
  /** How often the handler ran for each event. */
  readonly runs = new Map<string, number>()
  /** Every event that was published, and acknowledged by that. */
  readonly published: string[] = []
  readonly #signals: Signal[] = []
  readonly #waiting = new Set<() => void>()
  #bus: EventBus | undefined

  static async start(idempotency: IdempotencyStore, handle: (n: number) => unknown = () => {}): Promise<BusScene> {
    const scene = new BusScene()
    const bus = await createEventBus({
      service: 'inventory',
      broker: 'memory:',
      idempotency,
      observe: signal => scene.#hear(signal),
      consume: { leaseMs: 3000 },
    })
    bus.subscribe(
      'order.created',
      async (event: { n: number }, context) => {
        scene.runs.set(context.id, (scene.runs.get(context.id) ?? 0) + 1)
        await handle(event.n)
      },
      { concurrency: 50 },
    )
    await bus.start()
    scene.#bus = bus
    return scene
  }

  /** Events from..to-1, each with an id of its own, that is the same whenever it is published again. */
  async publish(from: number, to: number): Promise<void> {
    const numbers = Array.from({ length: to - from }, (_, index) => from + index)
    await Promise.all(
      numbers.map(async n => {
        await this.#bus?.publish('order.created', { n }, { id: `e${n}`, key: `k${n % 50}` })
        this.published.push(`e${n}`)
      }),
    )
  }

  /** Resolves with the `times`-th signal that is so, past or to come. */
  when(isIt: (signal: Signal) => boolean, times = 1): Promise<void> {
    return this.#until(() => this.count(isIt) >= times)
  }

  count(isIt: (signal: Signal) => boolean): number {
    return this.#signals.filter(isIt).length
  }

  /** Resolves when each delivery of what was published was acknowledged. */
  untilOver(): Promise<void> {
    return this.#until(() => {
      const acknowledged = this.#signals.flatMap(one =>
        one.is === 'settled' && one.as === 'acknowledge' ? [one.messages] : [],
      )
      return acknowledged.reduce((sum, messages) => sum + messages, 0) >= this.published.length
    })
  }

  /** What was published and never handled. */
  get lost(): readonly string[] {
    return this.published.filter(id => !this.runs.has(id))
  }

  get handledTwice(): readonly string[] {
    return [...this.runs].filter(([, runs]) => runs > 1).map(([id]) => id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bus?.close({ timeoutMs: 1000 })
  }

  #until(isSo: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => {
        if (!isSo()) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  #hear(signal: Signal): void {
    this.#signals.push(signal)
    for (const look of this.#waiting) look()
  }
}

export const unavailable = (signal: Signal): boolean => signal.is === 'store-unavailable'
