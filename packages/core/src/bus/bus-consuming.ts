import type { Clock } from '../clock.ts'
import { persist } from '../consume/persist.ts'
import { canRedeliver } from '../consume/redelivery.ts'
import type { SubscriptionRequest } from '../consume/subscription-request.ts'
import { resolveSubscription, subscriptionName, topicOf, type Subscription } from '../consume/subscription.ts'
import type { Contract } from '../contract.ts'
import { MekongError, messageOf } from '../error.ts'
import type { ConsumeTuning, TopicOptions } from '../event-bus-options.ts'
import { nearNames } from '../event/names.ts'
import type { IdempotencyStore } from '../idempotency/idempotency-store.ts'
import type { Observer } from '../signal.ts'
import { brokerError } from './broker-error.ts'
import { busClosed } from './bus-closed.ts'
import type { BusRoute } from './bus-route.ts'
import type { BusRoutes } from './bus-routes.ts'
import { checkStart } from './start-checks.ts'

export interface BusConsumingOptions {
  readonly service: string
  readonly group: string
  readonly contract: Contract | undefined
  readonly routes: BusRoutes
  readonly idempotency: IdempotencyStore
  readonly isolation: 'store' | 'best-effort'
  readonly isReplay: boolean
  /** Undefined: `verify` on a broker that keeps what it has, else `create`. */
  readonly topology: 'create' | 'verify' | 'skip' | undefined
  readonly topics: Readonly<Record<string, TopicOptions>>
  readonly tuning: ConsumeTuning
  readonly clock: Clock
  readonly observe: Observer | undefined
  /** The bus closes: nothing joins any more. */
  readonly closing: AbortSignal
}

/** The subscriptions of a bus, and how they come to take part: with `start`, or by themselves after it. */
export class BusConsuming {
  readonly #options: BusConsumingOptions
  readonly #problems = new Map<string, string>()
  /** Undefined before `start`; never rejects. */
  #starting: Promise<void> | undefined
  #isStarted = false
  /** What was subscribed since `start`, one behind the other on each route; they never reject. */
  readonly #joining = new Map<BusRoute, Promise<unknown>>()

  constructor(options: BusConsumingOptions) {
    this.#options = options
  }

  /** Resolves when nothing joins any more; never rejects. */
  async joined(): Promise<void> {
    await this.#starting
    await Promise.all(this.#joining.values())
  }

  /** What keeps subscriptions from taking part. */
  get problems(): readonly string[] {
    return [...this.#problems.values()]
  }

  get isEmpty(): boolean {
    return [...this.#options.routes].every(({ subscriptions }) => subscriptions.length === 0)
  }

  /** @throws MekongError INVALID_CONFIGURATION, UNKNOWN_EVENT_TYPE; CAPABILITY_MISSING once it was started */
  subscribe(request: SubscriptionRequest): void {
    const { group, contract, routes } = this.#options
    for (const type of request.handlers.keys()) this.#requireKnown(type)
    const [firstType] = request.handlers.keys()
    const route = routes.of(firstType === undefined ? '' : topicOf(firstType, contract))
    const subscription = resolveSubscription(request, {
      group,
      contract,
      canHold: route.hold !== undefined,
      canDelay: ordered => route.hold !== undefined || canRedeliver(route.driver.capabilities, 1, ordered),
    })
    this.#requireUnusedName(subscriptionName(request))
    if (this.#starting !== undefined) {
      this.#check(route, [...route.subscriptions, subscription])
      this.#joinLater(route, subscription)
    }
    route.subscriptions.push(subscription)
  }

  /** @throws MekongError CAPABILITY_MISSING, INVALID_CONFIGURATION */
  check(): void {
    for (const route of this.#options.routes) this.#check(route, route.subscriptions)
  }

  /** Rejects with a MekongError; what was started by then is for the bus to close. */
  start(): Promise<void> {
    const starting = this.#startRoutes()
    this.#starting = starting.catch(() => undefined)
    return starting
  }

  async #startRoutes(): Promise<void> {
    const { routes, service, closing } = this.#options
    // Whatever is subscribed from now on joins by itself.
    const initial = Array.from(routes, route => ({ route, subscriptions: [...route.subscriptions] }))
    for (const { route, subscriptions } of initial) {
      await this.#startRoute(route, subscriptions).catch((error: unknown) => {
        throw brokerError(route.driver, error)
      })
      if (closing.aborted) throw busClosed(service)
    }
    this.#isStarted = true
  }

  async #startRoute(route: BusRoute, subscriptions: readonly Subscription[]): Promise<void> {
    await this.#prepareTopology(route)
    for (const subscription of subscriptions) await route.group.add(subscription)
    if (!route.group.isEmpty) await route.group.start()
  }

  #prepareTopology(route: BusRoute): Promise<void> {
    const { topology, topics, contract = {}, routes } = this.#options
    const all = [...Object.keys(contract).map(type => topicOf(type, contract)), ...Object.keys(topics)]
    const own = all.filter(topic => routes.of(topic) === route)
    return route.prepareTopology(own, topology ?? (route.driver.capabilities.durable ? 'verify' : 'create'), topics)
  }

  /**
   * What goes wrong is a problem of the bus's health, because `subscribe` has returned. What may pass is tried until it
   * works: nobody else would.
   */
  #joinLater(route: BusRoute, subscription: Subscription): void {
    const { clock, closing } = this.#options
    const onFailure = (error: unknown): void => this.#failedToJoin(route, subscription, error)
    const join = async (): Promise<void> => {
      try {
        await this.#join(route, subscription)
        this.#problems.delete(subscription.name)
      } catch (cause) {
        const error = brokerError(route.driver, cause)
        if (error.retryable) throw error
        onFailure(error)
      }
    }
    const before = this.#joining.get(route) ?? this.#starting
    this.#joining.set(
      route,
      Promise.resolve(before).then(() => persist(join, { clock, signal: closing, onFailure })),
    )
  }

  async #join(route: BusRoute, subscription: Subscription): Promise<void> {
    if (!this.#isStarted || this.#options.closing.aborted) return
    await this.#prepareTopology(route)
    await route.group.add(subscription)
    if (!route.group.isStarted) await route.group.start()
  }

  #failedToJoin(route: BusRoute, { name }: Subscription, error: unknown): void {
    this.#problems.set(name, `subscription '${name}' did not start: ${messageOf(error)}`)
    this.#options.observe?.({ is: 'consumer', driver: route.driver.name, status: { is: 'degraded', error } })
  }

  #check(route: BusRoute, subscriptions: readonly Subscription[]): void {
    checkStart({ ...this.#options, driver: route.driver, hold: route.hold, subscriptions })
  }

  #requireKnown(type: string): void {
    const { contract } = this.#options
    if (contract === undefined || Object.hasOwn(contract, type)) return
    const near = nearNames(type, Object.keys(contract))
    throw new MekongError(
      'UNKNOWN_EVENT_TYPE',
      `the contract has no event type '${type}'${near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`}`,
    )
  }

  #requireUnusedName(name: string): void {
    const { routes, group } = this.#options
    for (const route of routes) {
      if (!route.subscriptions.some(subscription => subscription.name === name)) continue
      throw new MekongError(
        'INVALID_CONFIGURATION',
        `${group} has a subscription '${name}' already: give this one a \`name\` of its own`,
      )
    }
  }
}
