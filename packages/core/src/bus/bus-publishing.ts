import type { Clock } from '../clock.ts'
import type { Contract } from '../contract.ts'
import type { Driver } from '../driver/driver-contract.ts'
import { MekongError } from '../error.ts'
import type { ForwardOptions } from '../event-bus.ts'
import { createEventFactory, type EventFactory } from '../event/event-factory.ts'
import type { PreparedEvent } from '../event/event.ts'
import type { Cause } from '../handler.ts'
import type { Middleware } from '../middleware.ts'
import type { PublishOptions, PublishResult, Receipt } from '../publish-options.ts'
import { compilePublish, type Send, type Sending } from '../publish/publish-chain.ts'
import type { Run } from '../publish/publisher.ts'
import { createScheduleRunner, type ScheduleRunner } from '../schedule/schedule-runner.ts'
import type { ScheduleStore } from '../schedule/schedule-store.ts'
import type { Observer } from '../signal.ts'
import { busClosed } from './bus-closed.ts'
import type { BusRoutes } from './bus-routes.ts'
import { checkTopicName } from './start-checks.ts'

export interface BusPublishingOptions {
  readonly service: string
  readonly contract: Contract | undefined
  readonly middleware: readonly Middleware[]
  readonly routes: BusRoutes
  readonly schedule: ScheduleStore | undefined
  /** Names this process to the schedule. */
  readonly member: string
  readonly clock: Clock
  readonly observe: Observer | undefined
}

/** The last millisecond that a Date can hold: the year 275760. */
const LATEST_TIME = 8.64e15

/** The way of an event from the application to the publisher of its route, or into the schedule. */
export class BusPublishing {
  readonly schedule: ScheduleRunner | undefined
  readonly #options: BusPublishingOptions
  readonly #factory: EventFactory
  readonly #send: Send
  #isClosed = false

  constructor(options: BusPublishingOptions) {
    const { service, contract, middleware, clock } = options
    this.#options = options
    this.#factory = createEventFactory({ contract, source: service, clock })
    this.#send = compilePublish(middleware, (event, how) => this.#publish(event, how))
    this.schedule = this.#openSchedule()
  }

  /** Never throws. Makes a single promise where nothing on the way needs one: most of what a publish costs are promises. */
  publish(cause: Cause | undefined, type: string, data: unknown, options: PublishOptions, run?: Run): Promise<Receipt> {
    try {
      if (this.#isClosed) throw busClosed(this.#options.service)
      const event = this.#factory.prepareNow(type, data, options, cause)
      const how = { delayMs: options.delayMs ?? 0, run }
      return event instanceof Promise ? event.then(one => this.#send(one, how)) : this.#send(event, how)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Never rejects; an answer for each, by index. */
  publishMany(
    events: readonly { readonly type: string; readonly data: unknown; readonly options?: PublishOptions }[],
  ): Promise<readonly PublishResult[]> {
    const run: Run = { stopped: new Set() }
    return Promise.all(
      events.map(({ type, data, options = {} }) => resultOf(this.publish(undefined, type, data, options, run))),
    )
  }

  /** Never rejects; an answer for each, by index. */
  forward(events: readonly PreparedEvent[], options: ForwardOptions): Promise<readonly PublishResult[]> {
    const { until = 'stored', timeoutMs } = options
    const { service, routes } = this.#options
    const how = { until, timeoutMs, run: { stopped: new Set<string>() } }
    return Promise.all(
      events.map(event =>
        resultOf(
          this.#isClosed ? Promise.reject(busClosed(service)) : routes.of(event.topic).publisher.send(event, how),
        ),
      ),
    )
  }

  /** Everything is refused from now on. */
  close(): void {
    this.#isClosed = true
  }

  #publish(event: PreparedEvent, how: Sending): Promise<Receipt> {
    const { delayMs } = how
    const { driver, publisher } = this.#options.routes.of(event.topic)
    checkTopicName(driver, event.topic)
    if (delayMs !== 0 && !(delayMs >= 0 && this.#options.clock.now() + delayMs <= LATEST_TIME)) {
      throw new MekongError(
        'INVALID_EVENT',
        `delayMs of ${event.type} must be milliseconds from zero to a time that exists`,
      )
    }
    if (delayMs <= driver.capabilities.publishDelayMs) return publisher.send(event, how)
    return this.#publishLater(event, driver, delayMs)
  }

  async #publishLater(event: PreparedEvent, driver: Driver, delayMs: number): Promise<Receipt> {
    const { schedule, clock } = this.#options
    if (schedule === undefined) {
      throw new MekongError(
        'CAPABILITY_MISSING',
        `${driver.name} cannot delay a publish by ${delayMs} ms (at most ${driver.capabilities.publishDelayMs}); pass a \`schedule\``,
      )
    }
    await schedule.add([{ event, dueAt: clock.now() + delayMs }])
    this.schedule?.wake()
    return { id: event.id, type: event.type, topic: event.topic }
  }

  #openSchedule(): ScheduleRunner | undefined {
    const { schedule, member, routes, clock, observe } = this.#options
    if (schedule === undefined) return undefined
    return createScheduleRunner({
      schedule,
      owner: member,
      send: event => routes.of(event.topic).publisher.send(event, { delayMs: 0, until: 'stored' }),
      clock,
      observe,
    })
  }
}

async function resultOf(published: Promise<Receipt>): Promise<PublishResult> {
  try {
    return { is: 'published', receipt: await published }
  } catch (error) {
    return { is: 'failed', error }
  }
}
