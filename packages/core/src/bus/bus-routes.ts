import { MekongError } from '../error.ts'
import type { BusRoute } from './bus-route.ts'
import { defaultRoute } from './check-bus-options.ts'

/** The brokers of a bus: each has the topics that are routed to it, and the default one all others. */
export class BusRoutes implements Iterable<BusRoute> {
  readonly #byName = new Map<string, BusRoute>()
  readonly #byTopic = new Map<string, BusRoute>()

  /** @param topics of this route alone */
  add(route: BusRoute, topics: readonly string[]): void {
    this.#byName.set(route.name, route)
    for (const topic of topics) this.#byTopic.set(topic, route)
  }

  of(topic: string): BusRoute {
    const route = this.#byTopic.get(topic) ?? this.#byName.get(defaultRoute)
    if (route === undefined) throw new MekongError('INVALID_STATE', 'the event bus has no route')
    return route
  }

  /** @throws MekongError INVALID_CONFIGURATION */
  named(name: string): BusRoute {
    const route = this.#byName.get(name)
    if (route !== undefined) return route
    throw new MekongError(
      'INVALID_CONFIGURATION',
      `there is no route '${name}'; there is ${[...this.#byName.keys()].join(', ')}`,
    )
  }

  [Symbol.iterator](): Iterator<BusRoute> {
    return this.#byName.values()
  }
}
