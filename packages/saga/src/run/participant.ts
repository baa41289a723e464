import { type Clock, type EventBus, MekongError, type SubscriptionOptions, systemClock } from '@mekong/core'
import type { PostgresInbox, Sql } from '@mekong/postgres'
import { assertSaga } from '../check/check-saga.ts'
import type { Saga } from '../declare/declaration.ts'
import { flowOf, heardBy } from '../declare/flow.ts'
import { instanceStore } from '../store/instance-store.ts'
import { timerStore } from '../store/timer-store.ts'
import { createEventHandler } from './event-handler.ts'
import { handlersOf } from './handlers-of.ts'
import type { SagaOutbox } from './saga-outbox.ts'
import type { SagaSignal } from './saga-signal.ts'
import type { ServiceOf, StepHandlers } from './step-handlers.ts'
import { createStepRunner } from './step-runner.ts'
import { pollTimeouts, runDueTimeouts, type TimeoutsParts } from './timeouts.ts'

export interface SagaParticipantOptions<S extends Saga, Service extends ServiceOf<S>> {
  readonly saga: S
  /** Whose steps these are: the `service` of the bus. */
  readonly service: Service
  readonly eventBus: Pick<EventBus<S['contract']>, 'service' | 'subscribe'>
  /** The database of this service: the inbox and the outbox must be in the same one, or they could not commit together. */
  readonly sql: Sql
  /** Where the tables of `sagaMigrations` are. @default 'mekong' */
  readonly schema?: string | undefined
  readonly inbox: PostgresInbox
  readonly outbox: SagaOutbox
  /** One for each step of this service. */
  readonly steps: StepHandlers<S, Service>
  /** For the subscriptions of every step. Their names are given: `order.reserve:order.created`. */
  readonly subscription?: Omit<SubscriptionOptions, 'name'> | undefined
  readonly timeouts?: TimeoutOptions | undefined
  /** Hears of every step. Must be fast; its errors are swallowed. */
  readonly observe?: ((signal: SagaSignal) => void) | undefined
  readonly clock?: Clock | undefined
}

export interface TimeoutOptions {
  /** How often to look for timeouts that are due, in milliseconds: how late one may be. @default 500 */
  readonly pollMs?: number | undefined
  /** How long the handler of a timeout may take, in milliseconds. @default 30,000 */
  readonly timeoutMs?: number | undefined
}

/** A service's part in a saga. */
export interface SagaParticipant extends AsyncDisposable {
  /**
   * Fires the timeouts that are due now, besides the regular looking; resolves with how many fired here. Safe in any
   * number of processes at once: each timeout fires in one of them.
   */
  runDueTimeouts(): Promise<number>
  /** Looks for timeouts no more; resolves when the running ones are done. The events are the bus's: close that as well. */
  close(): Promise<void>
}

/**
 * Takes part in a saga: subscribes to what the steps of one service await, and to nothing else. What the saga remembers of
 * a step, its mark in the inbox, the events that it emits, its timeouts and whatever its handler does through `step.tx`
 * commit together. Steps of one instance run one at a time in a service. Where a step has a timeout, begins to look for
 * those that are due.
 * @throws MekongError SAGA_INVALID; INVALID_CONFIGURATION for a handler too many or too few, or a bus of another service
 */
export function createSagaParticipant<S extends Saga, const Service extends ServiceOf<S>>(
  options: SagaParticipantOptions<S, Service>,
): SagaParticipant {
  const { saga, service, eventBus, sql, schema, outbox, clock = systemClock } = options
  const { pollMs = 500, timeoutMs = 30_000 } = options.timeouts ?? {}
  assertSaga(saga)
  const flow = flowOf(saga)
  if (eventBus.service !== service) {
    const message = `saga "${saga.name}": the steps are those of "${service}", the event bus is that of "${eventBus.service}"`
    throw new MekongError('INVALID_CONFIGURATION', message)
  }
  const handlers = handlersOf(flow, service, options.steps)
  const instances = instanceStore(schema)
  const runStep = createStepRunner({
    flow,
    handlers,
    store: instances,
    publish: (tx, { type, data, options: publishing }, cause) =>
      outbox.publish(tx, type, data, { ...publishing, cause }),
  })
  const observe = quietly(options.observe)
  const steps = flow.steps.filter(step => step.service === service)
  const handleStep = createEventHandler({ saga, sql, inbox: options.inbox, instances, runStep, observe })
  for (const step of steps) {
    for (const type of heardBy(step)) {
      const name = `${flow.name}.${step.name}:${type}`
      const bus = eventBus as Pick<EventBus, 'subscribe'>
      bus.subscribe(type, handleStep(step, type), { ...options.subscription, name })
    }
  }

  const timed = steps.filter(({ timeout }) => timeout !== undefined)
  const parts: TimeoutsParts = {
    flow,
    steps: timed,
    sql,
    instances,
    timers: timerStore(schema),
    runStep,
    clock,
    timeoutMs,
    observe,
  }
  const stop = new AbortController()
  const polling = timed.length === 0 ? Promise.resolve() : pollTimeouts(parts, pollMs, stop.signal)
  const close = (): Promise<void> => {
    stop.abort()
    return polling
  }
  return {
    runDueTimeouts: () => runDueTimeouts(parts, stop.signal),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function quietly(observe: ((signal: SagaSignal) => void) | undefined): (signal: SagaSignal) => void {
  return signal => {
    try {
      observe?.(signal)
    } catch {
      // Whoever watches is no part of the saga.
    }
  }
}
