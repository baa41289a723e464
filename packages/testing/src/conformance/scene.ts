import {
  createEventBus,
  memoryHold,
  memoryIdempotency,
  memorySchedule,
  systemClock,
  type EventBus,
  type EventBusOptions,
  type HoldStore,
  type IdempotencyStore,
  type PublishOptions,
  type Receipt,
  type ScheduleStore,
  type Signal,
  type SubscriptionOptions,
} from '@mekong/core'
import { wait, type Capabilities, type Driver } from '@mekong/core/driver'
import { wrapStore, type Around } from './around.ts'
import type { DriverHarness } from './driver-harness.ts'
import { effects, type Effects, type HandlerBody } from './effects.ts'
import { journal, type Journal } from './journal.ts'
import { life, type Life } from './life.ts'
import { ordersContract, type Order, type OrdersContract } from './orders.ts'
import type { PublishFaults } from './publish-fault.ts'
import type { Random } from './seed.ts'
import { watchedDriver, type WatchedDriver } from './watched-driver.ts'

/** One service of one case: a bus in a process of its own, as far as broker and stores can tell. */
export interface Member {
  readonly who: string
  readonly bus: EventBus<OrdersContract>
  readonly driver: WatchedDriver
  readonly life: Life
  readonly signals: readonly Signal[]
  /** Signals of one kind. */
  heard<Kind extends Signal['is']>(kind: Kind): Extract<Signal, { is: Kind }>[]
  /** Publishes `order.created` or `order.changed` by the number. */
  publish(order: Order, options?: PublishOptions): Promise<Receipt>
  close(timeoutMs?: number): Promise<void>
  /** Ends it as SIGKILL would: the broker and the stores hear no more of it. */
  kill(): Promise<void>
}

export interface MemberOptions {
  /** Handles both types of order events, in one subscription. */
  readonly handle?: HandlerBody | undefined
  readonly subscription?: SubscriptionOptions | undefined
  /** Anything else to do before the bus starts. */
  readonly prepare?: ((bus: EventBus<OrdersContract>) => void) | undefined
  readonly bus?: Partial<EventBusOptions<OrdersContract>> | undefined
  readonly around?: {
    readonly idempotency?: Around<IdempotencyStore> | undefined
    readonly hold?: Around<HoldStore> | undefined
  }
  readonly publishFaults?: PublishFaults | undefined
  readonly capabilities?: Partial<Capabilities> | undefined
}

/** What a case works with: members around one broker, stores that outlive them, and the log of their effects. */
export class Scene {
  readonly harness: DriverHarness
  readonly random: Random
  readonly journal: Journal
  readonly effects: Effects
  readonly capabilities: Capabilities
  readonly idempotency: IdempotencyStore
  readonly hold: HoldStore
  readonly schedule: ScheduleStore
  /** The topic of order events. */
  readonly topic: string
  readonly #timeFactor: number
  readonly #members: Member[] = []
  readonly #endings: (() => Promise<void>)[] = []
  readonly #spare: Driver

  private constructor(harness: DriverHarness, random: Random, spare: Driver) {
    this.#timeFactor = harness.timeFactor ?? 1
    this.#spare = spare
    this.harness = harness
    this.random = random
    this.journal = journal(systemClock, harness.patienceMs ?? this.ms(5000))
    this.effects = effects(this.journal)
    this.capabilities = spare.capabilities
    this.idempotency = memoryIdempotency({ clock: systemClock })
    this.hold = memoryHold({ clock: systemClock })
    this.schedule = memorySchedule(systemClock)
    this.topic = harness.uniqueTopic('orders')
  }

  static async open(harness: DriverHarness, random: Random): Promise<Scene> {
    return new Scene(harness, random, await harness.createDriver())
  }

  /** Whether this broker can keep order by key. */
  get canOrder(): boolean {
    return this.capabilities.affinity !== 'none'
  }

  /** Whether the broker does nothing by itself that at least once allows: then runs, not only effects, can be counted. */
  get isCalm(): boolean {
    return this.harness.isHostile !== true
  }

  /** A duration, at the pace of this broker. */
  ms(duration: number): number {
    return duration * this.#timeFactor
  }

  until<T>(what: string, look: () => T | false | undefined, withinMs?: number): Promise<T> {
    return this.journal.until(what, look, withinMs === undefined ? undefined : this.ms(withinMs))
  }

  /** For what no signal tells: asked again and again. */
  async untilAsked(what: string, look: () => Promise<boolean>): Promise<void> {
    for (let asked = 0; !(await look()); asked++) {
      if (asked === 200) throw new Error(`asked ${asked} times in vain: ${what}`)
      await wait(systemClock, this.ms(10))
    }
  }

  /** Completed, whoever did it, in any order; more than these may be. */
  untilCompleted(labels: readonly string[], which?: Parameters<Effects['completed']>[0]): Promise<true> {
    return this.until(`${labels.length} events completed, ${labels[0] ?? 'none'} first`, () => {
      const completed = new Set(this.effects.completed(which))
      return labels.every(one => completed.has(one))
    })
  }

  /** Nothing that this member got is left unsettled. */
  untilSettled(member: Member): Promise<true> {
    return this.until(`${member.who} settled everything`, () => member.driver.unsettled().length === 0)
  }

  /** A service that runs. Consumers are opened before publishers, so that no broker drops what nobody is bound to. */
  async start(service: string, options: MemberOptions = {}): Promise<Member> {
    const member = await this.prepare(service, options)
    await member.bus.start()
    return member
  }

  /** A service whose bus was not started. */
  async prepare(service: string, options: MemberOptions = {}): Promise<Member> {
    const who = `${service}-${this.#members.filter(one => one.bus.service === service).length + 1}`
    const member = await this.#join(who, service, options)
    this.#members.push(member)
    if (options.handle !== undefined) {
      const handler = this.effects.handler(who, options.handle)
      const handlers = { 'order.created': handler, 'order.changed': handler }
      member.bus.subscribe(handlers, { ...this.subscription(), ...options.subscription })
    }
    options.prepare?.(member.bus)
    return member
  }

  /** Small steps, so that a case is over soon; kept apart far enough to be told apart. */
  subscription(): SubscriptionOptions {
    return {
      retry: { maxAttempts: 3, immediate: 1, immediateDelayMs: 2, delayMs: this.ms(40), maxDelayMs: this.ms(80) },
    }
  }

  /** A driver with no bus around it. */
  async rawDriver(): Promise<Driver> {
    const driver = await this.harness.createDriver()
    this.onClose(() => driver.close())
    return driver
  }

  /** Run when the case is over, the latest first. */
  onClose(end: () => Promise<void>): void {
    this.#endings.unshift(end)
  }

  /** Closes what is still open. Rejects with what either side of the driver contract did wrong. */
  async close(): Promise<void> {
    const alive = this.#members.filter(member => member.life.isAlive)
    const closed = await Promise.allSettled(alive.map(member => member.close(this.ms(1000))))
    for (const end of this.#endings) await end()
    await this.#spare.close()
    const failed = closed.find(one => one.status === 'rejected')
    if (failed !== undefined) throw new Error('a bus did not close', { cause: failed.reason })
    const breaches = this.#members.flatMap(member => member.driver.breaches.map(breach => `${member.who}: ${breach}`))
    if (breaches.length > 0) throw new Error(`the driver contract was broken: ${[...new Set(breaches)].join('; ')}`)
  }

  async #join(who: string, service: string, options: MemberOptions): Promise<Member> {
    const own = life(systemClock)
    const signals: Signal[] = []
    const random = this.random.fork(who)
    const driver = watchedDriver({
      driver: await this.harness.createDriver(),
      who,
      life: own,
      journal: this.journal,
      faults: options.publishFaults ?? (() => undefined),
      capabilities: options.capabilities ?? {},
    })
    const bus = await createEventBus<OrdersContract>({
      service,
      contract: ordersContract(this.topic, this.canOrder),
      broker: driver,
      idempotency: this.#outlive(this.idempotency, own, options.around?.idempotency),
      hold: this.#outlive(this.hold, own, options.around?.hold),
      topology: 'create',
      from: 'earliest',
      publish: { timeoutMs: this.ms(3000) },
      clock: own.clock,
      random: () => random.next(),
      observe: signal => {
        signals.push(signal)
        if (quietSignals.has(signal.is)) this.journal.touch()
        else this.journal.note(who, describe(signal))
      },
      ...options.bus,
      consume: {
        leaseMs: this.ms(300),
        holdPollMs: this.ms(20),
        abortGraceMs: this.ms(50),
        ...options.bus?.consume,
      },
    })
    const member: Member = {
      who,
      bus,
      driver,
      life: own,
      signals,
      heard: kind => signals.filter(signal => signal.is === kind) as never,
      publish: (order, more) => bus.publish(order.n === 1 ? 'order.created' : 'order.changed', order, more),
      close: timeoutMs => bus.close(timeoutMs === undefined ? {} : { timeoutMs }),
      kill: async () => {
        if (!own.isAlive) return
        this.journal.note(who, 'is killed')
        own.kill()
        await driver.drop()
      },
    }
    return member
  }

  /** The store lives outside the process that uses it: killing that one ends its calls, not the store. */
  #outlive<Store extends { readonly durable: boolean }>(store: Store, own: Life, around?: Around<Store>): Store {
    return wrapStore<Store>(store, { durable: true } as Partial<Store>, (method, call, input) =>
      own.pass(async () => {
        const answer = around === undefined ? call() : around(method, call, input)
        const result = await answer.catch((error: unknown) => {
          this.journal.note('store', `${method} fails: ${String(error)}`)
          throw error
        })
        if (quietMethods.has(method)) this.journal.touch()
        else this.journal.note('store', method)
        return result
      }),
    )
  }
}

/** What the watched driver notes already. */
const quietSignals: ReadonlySet<string> = new Set<Signal['is']>([
  'received',
  'assigned',
  'revoked',
  'published',
  'settled',
])
/** Asked all the time, with no answer most of the time. */
const quietMethods: ReadonlySet<string> = new Set(['leaseDue', 'nextDueAt', 'parkedKeys', 'extend'])

function describe(signal: Signal): string {
  const parts = Object.entries(signal).flatMap(([field, value]) => {
    if (field === 'is' || field === 'subscription' || value === undefined) return []
    if (field === 'id') return [String(value).slice(-6)]
    if (field === 'error')
      return [`error=${value instanceof Error ? `${value.name}: ${value.message}` : String(value)}`]
    return [typeof value === 'object' ? `${field}=…` : `${field}=${String(value)}`]
  })
  return `signal ${signal.is} ${parts.join(' ')}`
}
