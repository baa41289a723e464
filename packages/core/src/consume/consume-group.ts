import type { Contract } from '../contract.ts'
import type { ConsumerStatus, Driver, StartPosition } from '../driver/driver-contract.ts'
import type { Clock } from '../clock.ts'
import { messageOf } from '../error.ts'
import type { ConsumeTuning } from '../event-bus-options.ts'
import type { PreparedEvent } from '../event/event.ts'
import type { HoldStore } from '../hold/hold-store.ts'
import type { IdempotencyStore } from '../idempotency/idempotency-store.ts'
import type { Middleware } from '../middleware.ts'
import { classify } from '../publish/publish-failure.ts'
import type { Observer } from '../signal.ts'
import { Attempts } from './attempts.ts'
import { ClaimBook } from './claim-book.ts'
import { DeadLetters } from './dead-letters.ts'
import { GroupConsumer } from './group-consumer.ts'
import type { PublishFrom } from './handler-context.ts'
import { HeldRunner } from './held-runner.ts'
import { Holding } from './holding.ts'
import { Slots } from './slots.ts'
import { SubscriptionRunner } from './subscription-runner.ts'
import type { Subscription } from './subscription.ts'

export interface ConsumeGroupOptions {
  readonly driver: Driver
  readonly group: string
  /** Names this process in the group and to the stores. */
  readonly member: string
  readonly from: StartPosition
  readonly isReplay: boolean
  readonly contract: Contract | undefined
  readonly middleware: readonly Middleware[]
  readonly idempotency: IdempotencyStore
  readonly hold: HoldStore | undefined
  readonly tuning: ConsumeTuning
  readonly publishFrom: PublishFrom
  readonly publishDead: (event: PreparedEvent) => Promise<unknown>
  readonly newToken: () => string
  readonly clock: Clock
  readonly random: () => number
  readonly observe: Observer | undefined
}

/** Everything that consumes on one broker for one group: puts the parts together and takes them down in order. */
export class ConsumeGroup {
  readonly #options: ConsumeGroupOptions
  readonly #consumer: GroupConsumer
  readonly #runners: SubscriptionRunner[] = []
  readonly #heldRunners: HeldRunner[] = []
  readonly #gaveUp = new AbortController()
  /** Calls to each store that have failed and are repeated. */
  readonly #failing = { idempotency: new Map<unknown, unknown>(), hold: new Map<unknown, unknown>() }
  #isStarted = false

  constructor(options: ConsumeGroupOptions) {
    const { driver, group, member, from, isReplay, tuning, newToken, clock, observe, hold } = options
    this.#options = options
    this.#consumer = new GroupConsumer({
      driver,
      subscribe: { group, member, window: tuning.window, from, ...(isReplay && { isReplay }) },
      tuning,
      newIdentity: newToken,
      clock,
      observe,
      hold,
      failing: this.#failing.hold,
      signal: this.#gaveUp.signal,
    })
  }

  get status(): ConsumerStatus {
    return this.#consumer.currentStatus
  }

  get progressAt(): number | undefined {
    return this.#consumer.progressAt
  }

  get isEmpty(): boolean {
    return this.#runners.length === 0
  }

  get isStarted(): boolean {
    return this.#isStarted
  }

  /** A line for each thing that keeps events from being handled, while the broker may be well. */
  problems(): readonly string[] {
    const stores = Object.entries(this.#failing).flatMap(([store, failing]) => {
      const [error] = failing.values()
      return failing.size === 0 ? [] : [`the ${store} store fails, and events wait for it: ${messageOf(error)}`]
    })
    return [...stores, ...this.#stoppedLanes().map(lane => `stopped at a dead event: ${lane}`)]
  }

  #stoppedLanes(): readonly string[] {
    return this.#runners.flatMap(runner => runner.stoppedLanes().map(lane => `${runner.subscription.name}: ${lane}`))
  }

  /** Before or after `start`. One that is in already stays as it is; one that was refused is not in. */
  async add(subscription: Subscription): Promise<void> {
    if (this.#runners.some(runner => runner.subscription === subscription)) return
    const { runner, heldRunner } = this.#build(subscription)
    this.#runners.push(runner)
    try {
      await this.#consumer.add(runner)
    } catch (error) {
      this.#runners.splice(this.#runners.indexOf(runner), 1)
      throw error
    }
    if (heldRunner === undefined) return
    this.#heldRunners.push(heldRunner)
    if (this.#isStarted) heldRunner.start()
  }

  async start(): Promise<void> {
    await this.#consumer.start()
    this.#isStarted = true
    for (const runner of this.#heldRunners) runner.start()
  }

  /** Something was made due in the hold store. */
  wake(): void {
    for (const runner of this.#heldRunners) runner.wake()
  }

  /** Nothing more begins from now on, however long the broker takes to hear of it. */
  async stop(): Promise<void> {
    for (const runner of [...this.#runners, ...this.#heldRunners]) runner.stop()
    await this.#consumer.stop()
  }

  /** Resolves when no handler runs. Handlers hear of `signal` through their own. */
  async drain(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#runners, ...this.#heldRunners].map(runner => runner.drain(signal)))
  }

  /** Settles, leaves the group. Calls to stores that are out of reach end unanswered. */
  async close(): Promise<void> {
    await this.#consumer.closeMarks()
    this.#gaveUp.abort()
    await this.#consumer.close()
  }

  #build(subscription: Subscription): { runner: SubscriptionRunner; heldRunner: HeldRunner | undefined } {
    const { driver, idempotency, hold, tuning, member, clock, observe, newToken } = this.#options
    const signal = this.#gaveUp.signal
    const patience = { clock, signal }
    const patienceWith = (store: 'idempotency' | 'hold') => ({
      ...patience,
      onFailure: (error: unknown) => observe?.({ is: 'store-unavailable', store, error }),
      failing: this.#failing[store],
    })
    const slots = new Slots(subscription.concurrency)
    const attempts = new Attempts({ ...this.#options, subscription, abortGraceMs: tuning.abortGraceMs })
    const book = new ClaimBook({
      ...patienceWith('idempotency'),
      store: idempotency,
      leaseMs: tuning.leaseMs,
      onLost: work => {
        runner.claimLost(work)
        heldRunner?.claimLost(work)
      },
    })
    const holding =
      hold === undefined
        ? undefined
        : new Holding({
            ...patienceWith('hold'),
            subscription,
            store: hold,
            book,
            limits: tuning,
            leaseMs: tuning.leaseMs,
            owner: member,
            observe,
            onHeld: () => heldRunner?.wake(),
            onFull: work => this.#consumer.pause(work.message.partition, 'hold store full'),
          })
    const runner = new SubscriptionRunner({
      ...patienceWith('idempotency'),
      subscription,
      capabilities: driver.capabilities,
      attempts,
      slots,
      book,
      claimsAreDurable: idempotency.durable,
      holding,
      deadLetters: new DeadLetters({
        ...patience,
        onFailure: error =>
          observe?.({
            is: 'notice',
            message: `dead letter of ${subscription.name} not published yet: ${String(error)}`,
          }),
        capabilities: driver.capabilities,
        publish: this.#options.publishDead,
        isIllegal: error => classify(driver, error) === 'illegal',
        observe,
      }),
      cautionOf: partition => this.#consumer.cautionOf(partition),
      newToken,
      observe,
    })
    const heldRunner =
      holding === undefined
        ? undefined
        : new HeldRunner({
            ...patienceWith('hold'),
            subscription,
            attempts,
            slots,
            book,
            holding,
            owner: member,
            leaseMs: tuning.leaseMs,
            pollMs: tuning.holdPollMs,
            newToken,
            observe,
          })
    return { runner, heldRunner }
  }
}
