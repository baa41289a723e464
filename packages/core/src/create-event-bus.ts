import { randomUUID } from 'node:crypto'
import { BusConsuming } from './bus/bus-consuming.ts'
import { BusPublishing } from './bus/bus-publishing.ts'
import { BusRoute } from './bus/bus-route.ts'
import { BusRoutes } from './bus/bus-routes.ts'
import { busClosed } from './bus/bus-closed.ts'
import { checkBusOptions, defaultRoute } from './bus/check-bus-options.ts'
import { closeBus } from './bus/close-bus.ts'
import { systemClock, type Clock } from './clock.ts'
import { resolveConsumeTuning } from './consume/consume-tuning.ts'
import { readSubscription } from './consume/subscription-request.ts'
import { createTokens } from './consume/tokens.ts'
import type { Contract, EventType, UntypedContract } from './contract.ts'
import type { Driver } from './driver/driver-contract.ts'
import { resolveDriver } from './driver/resolve-driver.ts'
import { MekongError } from './error.ts'
import type {
  CloseOptions,
  EventBus,
  EventToPublish,
  ForwardOptions,
  Health,
  SubscriptionOptions,
} from './event-bus.ts'
import type { ConsumeTuning, EventBusOptions } from './event-bus-options.ts'
import type { PreparedEvent } from './event/event.ts'
import type { Handler, HandlerMap } from './handler.ts'
import { groupHeldEvents } from './hold/group-held-events.ts'
import type { HeldEvents } from './hold/held-events.ts'
import type { HoldStore } from './hold/hold-store.ts'
import { memoryHold } from './hold/memory-hold.ts'
import type { IdempotencyStore } from './idempotency/idempotency-store.ts'
import { memoryIdempotency } from './idempotency/memory-idempotency.ts'
import type { PublishOptions, PublishResult, Receipt } from './publish-options.ts'
import { createPublisher } from './publish/publisher.ts'
import { resolvePublishTuning } from './publish/publish-tuning.ts'
import type { Observer, Signal } from './signal.ts'

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

/** Puts the parts of a bus together, and takes them through its phases. */
class ServiceEventBus<C extends Contract> implements EventBus<C> {
  readonly service: string
  readonly held: HeldEvents
  readonly #options: EventBusOptions<C>
  readonly #clock: Clock
  readonly #tuning: ConsumeTuning
  /** Undefined where nobody listens: then no signal is made. */
  readonly #observe: Observer | undefined
  readonly #idempotency: IdempotencyStore
  readonly #hold: HoldStore | undefined
  readonly #routes = new BusRoutes()
  readonly #publishing: BusPublishing
  readonly #consuming: BusConsuming
  readonly #closing = new AbortController()
  #phase: Phase = 'new'
  #closed: Promise<void> | undefined

  constructor(options: EventBusOptions<C>, drivers: ReadonlyMap<string, Driver>) {
    const { service, contract, replay, middleware = [], schedule, isolation = 'store', topology, topics = {} } = options
    const group = replay === undefined ? service : `${service}.replay.${replay.run}`
    const member = `${group}-${randomUUID()}`
    this.service = service
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#observe = options.observe === undefined ? undefined : harmless(options.observe)
    this.#tuning = resolveConsumeTuning(options.consume)
    this.#idempotency = options.idempotency ?? memoryIdempotency({ clock: this.#clock })
    const isVolatile = [...drivers.values()].every(driver => !driver.capabilities.durable)
    this.#hold = options.hold ?? (isVolatile ? memoryHold({ clock: this.#clock }) : undefined)
    for (const [name, driver] of drivers) {
      this.#routes.add(this.#openRoute(name, driver, { group, member }), options.routes?.[name]?.topics ?? [])
    }
    const routes = this.#routes
    const clock = this.#clock
    const observe = this.#observe
    this.#publishing = new BusPublishing({ service, contract, middleware, routes, schedule, member, clock, observe })
    this.#consuming = new BusConsuming({
      service,
      group,
      contract,
      routes,
      idempotency: this.#idempotency,
      isolation,
      isReplay: replay !== undefined,
      topology,
      topics,
      tuning: this.#tuning,
      clock,
      observe,
      closing: this.#closing.signal,
    })
    this.held = groupHeldEvents({ group, store: this.#hold, wake: () => this.#wake() })
  }

  publish(type: string, data: unknown, options?: PublishOptions): Promise<Receipt> {
    return this.#publishing.publish(undefined, type, data, options ?? {})
  }

  publishMany(events: readonly EventToPublish<C>[]): Promise<readonly PublishResult[]> {
    return this.#publishing.publishMany(events)
  }

  forward(events: readonly PreparedEvent[], options: ForwardOptions = {}): Promise<readonly PublishResult[]> {
    return this.#publishing.forward(events, options)
  }

  isDurable(topic: string): boolean {
    return this.#routes.of(topic).driver.capabilities.durable
  }

  native(route: string = defaultRoute): unknown {
    return this.#routes.named(route).driver.native
  }

  subscribe<T extends EventType<C>>(type: T, handler: Handler<C, T>, options?: SubscriptionOptions): void
  subscribe(handlers: HandlerMap<C>, options?: SubscriptionOptions): void
  subscribe(
    subject: string | HandlerMap<C>,
    second: Handler<C> | SubscriptionOptions | undefined,
    third?: SubscriptionOptions,
  ): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') throw busClosed(this.service)
    this.#consuming.subscribe(readSubscription(subject, second, third))
  }

  async start(): Promise<void> {
    if (this.#phase !== 'new')
      throw new MekongError('INVALID_STATE', `the event bus of ${this.service} was started or closed already`)
    this.#consuming.check()
    this.#phase = 'starting'
    try {
      this.#notice()
      await this.#consuming.start()
      this.#publishing.schedule?.start()
      this.#phase = 'started'
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
    const problems = [...this.#consuming.problems]
    const progress: number[] = []
    let isFatal = false
    for (const { driver, group } of this.#routes) {
      const { status, progressAt } = group
      if (status.is !== 'running') problems.push(`${driver.name}: ${status.is}`)
      isFatal ||= status.is === 'fatal'
      problems.push(...group.problems())
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

  #openRoute(name: string, driver: Driver, { group, member }: { group: string; member: string }): BusRoute {
    const { contract, middleware = [], publish, replay, from, random = Math.random } = this.#options
    const clock = this.#clock
    const observe = this.#observe
    const options = resolvePublishTuning(publish)
    return new BusRoute({
      name,
      driver,
      publisher: createPublisher({ driver, clock, random, observe, options }),
      hold: this.#hold,
      group,
      consume: {
        group,
        member,
        from: replay?.from ?? from ?? 'latest',
        isReplay: replay !== undefined,
        contract,
        middleware,
        idempotency: this.#idempotency,
        tuning: this.#tuning,
        publishFrom: (cause, type, data, how) => this.#publishing.publish(cause, type, data, how),
        newToken: createTokens(),
        clock,
        random,
        observe,
      },
    })
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#phase = 'closing'
    this.#closing.abort()
    const parts = {
      routes: [...this.#routes],
      schedule: this.#publishing.schedule,
      joining: this.#consuming.joined(),
      clock: this.#clock,
      graceMs: this.#tuning.abortGraceMs,
    }
    try {
      await closeBus(parts, timeoutMs)
    } finally {
      this.#publishing.close()
      this.#phase = 'closed'
    }
  }

  #wake(): void {
    for (const route of this.#routes) route.group.wake()
  }

  /** What is chosen for the application is said at start. */
  #notice(): void {
    if (this.#consuming.isEmpty) return
    const { idempotency, hold } = this.#options
    const notice = (message: string): void => this.#observe?.({ is: 'notice', message })
    if (idempotency === undefined) notice('idempotency is in memory: after a restart a redelivered event runs again')
    if (hold !== undefined) return
    const isNowhere = this.#hold === undefined
    notice(isNowhere ? 'there is no hold store: dead events go to dead-letter topics' : 'held events are in memory')
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
