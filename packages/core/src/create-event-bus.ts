import { randomUUID } from 'node:crypto'
import { BusRoute } from './bus-route.ts'
import { systemClock, type Clock } from './clock.ts'
import { checkBusOptions, defaultRoute } from './check-bus-options.ts'
import { closeBus } from './close-bus.ts'
import { resolveConsumeTuning } from './consume/consume-tuning.ts'
import { createTokens } from './consume/tokens.ts'
import { canRedeliver } from './consume/redelivery.ts'
import {
  resolveSubscription,
  subscriptionName,
  topicOf,
  type Subscription,
  type SubscriptionRequest,
} from './consume/subscription.ts'
import type { Contract, EventType, UntypedContract } from './contract.ts'
import type { Driver } from './driver/driver-contract.ts'
import { resolveDriver } from './driver/resolve-driver.ts'
import { MekongError, messageOf } from './error.ts'
import type {
  CloseOptions,
  EventBus,
  EventToPublish,
  ForwardOptions,
  Health,
  SubscriptionOptions,
} from './event-bus.ts'
import type { ConsumeTuning, EventBusOptions } from './event-bus-options.ts'
import { createEventFactory, type EventFactory } from './event/event-factory.ts'
import { nearNames } from './event/names.ts'
import type { PreparedEvent } from './event/event.ts'
import type { Cause, Handler, HandlerMap } from './handler.ts'
import { groupHeldEvents } from './hold/group-held-events.ts'
import type { HeldEvents } from './hold/held-events.ts'
import type { HoldStore } from './hold/hold-store.ts'
import { memoryHold } from './hold/memory-hold.ts'
import type { IdempotencyStore } from './idempotency/idempotency-store.ts'
import { memoryIdempotency } from './idempotency/memory-idempotency.ts'
import type { PublishOptions, PublishResult, Receipt } from './publish-options.ts'
import { compilePublish, type Send, type Sending } from './publish-chain.ts'
import { createPublisher, type Run } from './publish/publisher.ts'
import { resolvePublishTuning } from './publish/publish-tuning.ts'
import { createScheduleRunner, type ScheduleRunner } from './schedule/schedule-runner.ts'
import type { Observer, Signal } from './signal.ts'
import { checkStart, checkTopicName } from './start-checks.ts'

/**
 * Opens the brokers and gives the bus of one service. Publishing works at once, consuming from `start` on.
 * @throws MekongError INVALID_CONFIGURATION with the option's path, ADAPTER_MISSING, BROKER_UNAVAILABLE
 */
export async function createEventBus<C extends Contract = UntypedContract>(
  options: EventBusOptions<C>,
): Promise<EventBus<C>> {
  checkBusOptions(options)
  const adapters = options.drivers ?? []
  const drivers = new Map<string, Driver>()
  try {
    drivers.set(defaultRoute, await resolveDriver('broker', options.broker, adapters))
    for (const [name, route] of Object.entries(options.routes ?? {})) {
      drivers.set(name, await resolveDriver(`routes.${name}.broker`, route.broker, adapters))
    }
    return new ServiceEventBus<C>(options, drivers)
  } catch (error) {
    await Promise.allSettled([...drivers.values()].map(driver => driver.close()))
    throw error
  }
}

type Phase = 'new' | 'starting' | 'started' | 'closing' | 'closed'

class ServiceEventBus<C extends Contract> implements EventBus<C> {
  readonly service: string
  readonly held: HeldEvents
  readonly #options: EventBusOptions<C>
  readonly #group: string
  readonly #clock: Clock
  readonly #random: () => number
  readonly #tuning: ConsumeTuning
  /** Undefined where nobody listens: then no signal is made. */
  readonly #observe: Observer | undefined
  readonly #idempotency: IdempotencyStore
  readonly #hold: HoldStore | undefined
  readonly #routes = new Map<string, BusRoute>()
  readonly #routeOfTopic = new Map<string, BusRoute>()
  readonly #factory: EventFactory
  readonly #publish: Send
  readonly #schedule: ScheduleRunner | undefined
  readonly #problems = new Map<string, string>()
  /** Start, and what was subscribed since, one behind the other; never rejects. */
  #joined: Promise<void> = Promise.resolve()
  #phase: Phase = 'new'
  #closed: Promise<void> | undefined

  constructor(options: EventBusOptions<C>, drivers: ReadonlyMap<string, Driver>) {
    this.service = options.service
    this.#options = options
    this.#group = options.replay === undefined ? options.service : `${options.service}.replay.${options.replay.run}`
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#observe = options.observe === undefined ? undefined : harmless(options.observe)
    this.#tuning = resolveConsumeTuning(options.consume)
    this.#idempotency = options.idempotency ?? memoryIdempotency({ clock: this.#clock })
    const isVolatile = [...drivers.values()].every(driver => !driver.capabilities.durable)
    this.#hold = options.hold ?? (isVolatile ? memoryHold({ clock: this.#clock }) : undefined)
    for (const [name, driver] of drivers) this.#openRoute(name, driver)
    this.#factory = createEventFactory({ contract: options.contract, source: options.service, clock: this.#clock })
    this.#publish = compilePublish(options.middleware ?? [], (event, how) => this.#send(event, how))
    this.#schedule = this.#openSchedule()
    this.held = groupHeldEvents({ group: this.#group, store: this.#hold, wake: () => this.#wake() })
  }

  publish(type: string, data: unknown, options?: PublishOptions): Promise<Receipt> {
    return this.#publishFrom(undefined, type, data, options ?? {})
  }

  publishMany(events: readonly EventToPublish<C>[]): Promise<readonly PublishResult[]> {
    const run: Run = { stopped: new Set() }
    return Promise.all(
      events.map(({ type, data, options }) => resultOf(this.#publishFrom(undefined, type, data, options ?? {}, run))),
    )
  }

  forward(events: readonly PreparedEvent[], options: ForwardOptions = {}): Promise<readonly PublishResult[]> {
    const { until = 'stored', timeoutMs } = options
    const how = { until, timeoutMs, run: { stopped: new Set<string>() } }
    return Promise.all(
      events.map(event =>
        resultOf(
          this.#isClosed() ? Promise.reject(closed(this.service)) : this.#route(event.topic).publisher.send(event, how),
        ),
      ),
    )
  }

  isDurable(topic: string): boolean {
    return this.#route(topic).driver.capabilities.durable
  }

  native(route: string = defaultRoute): unknown {
    const found = this.#routes.get(route)
    if (found !== undefined) return found.driver.native
    throw new MekongError(
      'INVALID_CONFIGURATION',
      `there is no route '${route}'; there is ${[...this.#routes.keys()].join(', ')}`,
    )
  }

  subscribe<T extends EventType<C>>(type: T, handler: Handler<C, T>, options?: SubscriptionOptions): void
  subscribe(handlers: HandlerMap<C>, options?: SubscriptionOptions): void
  subscribe(
    subject: string | HandlerMap<C>,
    second: Handler<C> | SubscriptionOptions | undefined,
    third?: SubscriptionOptions,
  ): void {
    if (this.#phase === 'closing' || this.#isClosed()) throw closed(this.service)
    const request = subscriptionRequest(subject, second, third)
    for (const type of request.handlers.keys()) this.#requireKnown(type)
    const [firstType] = request.handlers.keys()
    const route = this.#route(firstType === undefined ? '' : topicOf(firstType, this.#options.contract))
    const subscription = resolveSubscription(request, {
      group: this.#group,
      contract: this.#options.contract,
      canHold: route.hold !== undefined,
      canDelay: ordered => route.hold !== undefined || canRedeliver(route.driver.capabilities, 1, ordered),
    })
    this.#requireUnusedName(subscriptionName(request))
    if (this.#phase !== 'new') {
      this.#check(route, [...route.subscriptions, subscription])
      this.#joinLater(route, subscription)
    }
    route.subscriptions.push(subscription)
  }

  async start(): Promise<void> {
    if (this.#phase !== 'new')
      throw new MekongError('INVALID_STATE', `the event bus of ${this.service} was started or closed already`)
    for (const route of this.#routes.values()) this.#check(route, route.subscriptions)
    this.#phase = 'starting'
    const starting = this.#startRoutes()
    this.#joined = starting.catch(() => undefined)
    try {
      await starting
    } catch (error) {
      await this.close({ timeoutMs: 0 }).catch(() => undefined)
      throw error
    }
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closed ??= this.#close(options.timeoutMs ?? 10_000)
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  health(): Health {
    const problems = [...this.#problems.values()]
    const progress: number[] = []
    let isFatal = false
    for (const { driver, group } of this.#routes.values()) {
      const { status, progressAt } = group
      if (status.is !== 'running') problems.push(`${driver.name}: ${status.is}`)
      isFatal ||= status.is === 'fatal'
      problems.push(...group.stoppedLanes().map(lane => `stopped at a dead event: ${lane}`))
      if (progressAt !== undefined) progress.push(progressAt)
    }
    return {
      status: this.#healthStatus(isFatal, problems.length > 0),
      problems,
      sinceProgressMs: progress.length === 0 ? undefined : this.#clock.monotonic() - Math.max(...progress),
    }
  }

  #healthStatus(isFatal: boolean, hasProblems: boolean): Health['status'] {
    switch (this.#phase) {
      case 'new':
      case 'starting':
        return 'starting'
      case 'closing':
      case 'closed':
        return 'closed'
      case 'started':
        if (isFatal) return 'failed'
        return hasProblems ? 'degraded' : 'ok'
    }
  }

  #openRoute(name: string, driver: Driver): void {
    const { contract, middleware = [], publish, replay, from } = this.#options
    const observe = this.#observe
    const publisher = createPublisher({
      driver,
      clock: this.#clock,
      random: this.#random,
      observe,
      options: resolvePublishTuning(publish),
    })
    const route = new BusRoute({
      name,
      driver,
      publisher,
      hold: this.#hold,
      group: this.#group,
      consume: {
        group: this.#group,
        member: `${this.#group}-${randomUUID()}`,
        from: replay?.from ?? from ?? 'latest',
        isReplay: replay !== undefined,
        contract,
        middleware,
        idempotency: this.#idempotency,
        tuning: this.#tuning,
        publishFrom: (cause, type, data, options) => this.#publishFrom(cause, type, data, options),
        newToken: createTokens(),
        clock: this.#clock,
        random: this.#random,
        observe,
      },
    })
    this.#routes.set(name, route)
    for (const topic of this.#options.routes?.[name]?.topics ?? []) this.#routeOfTopic.set(topic, route)
  }

  #openSchedule(): ScheduleRunner | undefined {
    const { schedule } = this.#options
    if (schedule === undefined) return undefined
    return createScheduleRunner({
      schedule,
      owner: `${this.#group}-${randomUUID()}`,
      send: event => this.#route(event.topic).publisher.send(event, { delayMs: 0, until: 'stored' }),
      clock: this.#clock,
      observe: this.#observe,
    })
  }

  /** Never throws. Makes a single promise where nothing on the way needs one: most of what a publish costs are promises. */
  #publishFrom(
    cause: Cause | undefined,
    type: string,
    data: unknown,
    options: PublishOptions,
    run?: Run,
  ): Promise<Receipt> {
    try {
      if (this.#isClosed()) throw closed(this.service)
      const event = this.#factory.prepareNow(type, data, options, cause)
      const how = { delayMs: options.delayMs ?? 0, run }
      return event instanceof Promise ? event.then(one => this.#publish(one, how)) : this.#publish(event, how)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #send(event: PreparedEvent, how: Sending): Promise<Receipt> {
    const { delayMs } = how
    const { driver, publisher } = this.#route(event.topic)
    checkTopicName(driver, event.topic)
    if (!Number.isFinite(delayMs) || delayMs < 0) {
      throw new MekongError('INVALID_EVENT', `delayMs of ${event.type} must be zero or more milliseconds`)
    }
    if (delayMs <= driver.capabilities.publishDelayMs) return publisher.send(event, how)
    return this.#schedulePublish(event, driver, delayMs)
  }

  async #schedulePublish(event: PreparedEvent, driver: Driver, delayMs: number): Promise<Receipt> {
    const { schedule } = this.#options
    if (schedule === undefined) {
      throw new MekongError(
        'CAPABILITY_MISSING',
        `${driver.name} cannot delay a publish by ${delayMs} ms (at most ${driver.capabilities.publishDelayMs}); pass a \`schedule\``,
      )
    }
    await schedule.add([{ event, dueAt: this.#clock.now() + delayMs }])
    this.#schedule?.wake()
    return { id: event.id, type: event.type, topic: event.topic }
  }

  #check(route: BusRoute, subscriptions: readonly Subscription[]): void {
    checkStart({
      driver: route.driver,
      subscriptions,
      hold: route.hold,
      idempotency: this.#idempotency,
      isolation: this.#options.isolation ?? 'store',
      isReplay: this.#options.replay !== undefined,
      tuning: this.#tuning,
    })
  }

  async #startRoutes(): Promise<void> {
    this.#notice()
    // Whatever is subscribed from now on joins by itself.
    const initial = [...this.#routes.values()].map(route => ({ route, subscriptions: [...route.subscriptions] }))
    for (const { route, subscriptions } of initial) {
      await this.#startRoute(route, subscriptions)
      if (this.#phase !== 'starting') throw closed(this.service)
    }
    this.#schedule?.start()
    this.#phase = 'started'
  }

  async #startRoute(route: BusRoute, subscriptions: readonly Subscription[]): Promise<void> {
    await this.#prepareTopology(route)
    for (const subscription of subscriptions) await route.group.add(subscription)
    if (!route.group.isEmpty) await route.group.start()
  }

  #prepareTopology(route: BusRoute): Promise<void> {
    const { topology, topics = {}, contract = {} } = this.#options
    const all = [...Object.keys(contract).map(type => topicOf(type, contract)), ...Object.keys(topics)]
    const own = all.filter(topic => this.#route(topic) === route)
    return route.prepareTopology(own, topology ?? (route.driver.capabilities.durable ? 'verify' : 'create'), topics)
  }

  /**
   * After start, one behind the other: what goes wrong is a problem of the bus's health, because `subscribe` has returned.
   */
  #joinLater(route: BusRoute, subscription: Subscription): void {
    this.#joined = this.#joined
      .then(() => this.#join(route, subscription))
      .catch((error: unknown) => {
        this.#problems.set(subscription.name, `subscription '${subscription.name}' did not start: ${messageOf(error)}`)
        this.#observe?.({ is: 'consumer', driver: route.driver.name, status: { is: 'degraded', error } })
      })
  }

  async #join(route: BusRoute, subscription: Subscription): Promise<void> {
    if (this.#phase !== 'started') return
    await this.#prepareTopology(route)
    const isFirst = route.group.isEmpty
    await route.group.add(subscription)
    if (isFirst) await route.group.start()
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#phase = 'closing'
    const parts = {
      routes: [...this.#routes.values()],
      schedule: this.#schedule,
      joining: this.#joined,
      clock: this.#clock,
      graceMs: this.#tuning.abortGraceMs,
    }
    try {
      await closeBus(parts, timeoutMs)
    } finally {
      this.#phase = 'closed'
    }
  }

  #wake(): void {
    for (const route of this.#routes.values()) route.group.wake()
  }

  #route(topic: string): BusRoute {
    const route = this.#routeOfTopic.get(topic) ?? this.#routes.get(defaultRoute)
    if (route === undefined) throw new MekongError('INVALID_STATE', 'the event bus has no route')
    return route
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
    for (const route of this.#routes.values()) {
      if (!route.subscriptions.some(subscription => subscription.name === name)) continue
      throw new MekongError(
        'INVALID_CONFIGURATION',
        `${this.#group} has a subscription '${name}' already: give this one a \`name\` of its own`,
      )
    }
  }

  /** What is chosen for the application is said at start. */
  #notice(): void {
    if ([...this.#routes.values()].every(route => route.subscriptions.length === 0)) return
    if (this.#options.idempotency === undefined) {
      this.#observe?.({
        is: 'notice',
        message: 'idempotency is in memory: after a restart a redelivered event runs again',
      })
    }
    if (this.#options.hold === undefined) {
      const where =
        this.#hold === undefined
          ? 'there is no hold store: dead events go to dead-letter topics'
          : 'held events are in memory'
      this.#observe?.({ is: 'notice', message: where })
    }
  }

  #isClosed(): boolean {
    return this.#phase === 'closed'
  }
}

function subscriptionRequest(
  subject: unknown,
  second: unknown,
  third: SubscriptionOptions | undefined,
): SubscriptionRequest {
  const entries = typeof subject === 'string' ? [[subject, second] as const] : Object.entries(subject as object)
  for (const [type, handler] of entries) {
    if (typeof handler === 'function') continue
    throw new MekongError('INVALID_CONFIGURATION', `the handler of '${type}' must be a function, not ${typeof handler}`)
  }
  return {
    handlers: new Map(entries as (readonly [string, Handler])[]),
    options: (typeof subject === 'string' ? third : (second as SubscriptionOptions | undefined)) ?? {},
  }
}

/** An observer's mistake must not cost an event. */
function harmless(observe: Observer): Observer {
  return (signal: Signal) => {
    try {
      observe(signal)
    } catch {
      // It is the observer's to report.
    }
  }
}

async function resultOf(published: Promise<Receipt>): Promise<PublishResult> {
  try {
    return { is: 'published', receipt: await published }
  } catch (error) {
    return { is: 'failed', error }
  }
}

function closed(service: string): MekongError {
  return new MekongError('BUS_CLOSED', `the event bus of ${service} is closed`)
}
