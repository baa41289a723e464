import type { Cause, HandlerContext, PublishOptions } from '@mekong/core'
import type { Query, Statement, Transaction } from '@mekong/postgres'
import type { Flow, Outcome, Step } from '../declare/flow.ts'
import {
  advance,
  freshStep,
  outcomesOf,
  type Action,
  type Advance,
  type Arrival,
  type StepState,
} from '../declare/step-state.ts'
import type { Happened, InstanceId, InstanceStore } from '../store/instance-store.ts'
import { collectEmissions, type Emission } from './emissions.ts'
import { requireJson } from './require-json.ts'
import type { UntypedHandler } from './step-handlers.ts'

/** What came of one arrival. */
export interface StepReport {
  readonly step: string
  readonly instance: string
  readonly action: Action
  readonly outcome: Outcome['is'] | undefined
  readonly emitted: readonly string[]
}

/** What arrived for one step of one instance, and in which transaction. */
export interface StepArrival {
  readonly step: Step
  readonly instance: string
  readonly arrival: Arrival
  readonly cause: Cause
  readonly attempt: number
  readonly signal: AbortSignal
  /** Undefined when time is up. */
  readonly context: HandlerContext | undefined
  readonly tx: Transaction
  /** What the steps of the instance remember, which is locked. */
  readonly steps: ReadonlyMap<string, StepState>
}

export interface StepRunnerParts {
  readonly flow: Flow
  readonly handlers: ReadonlyMap<string, UntypedHandler>
  readonly store: InstanceStore
  readonly publish: (tx: Transaction, emission: Emission, cause: Cause) => Promise<unknown>
}

/**
 * Takes one arrival as far as it goes: asks the rule, runs the handler if it is to run, and writes the state, the journal,
 * the timer and the outgoing events, all in the transaction that was passed. The same path for events and timeouts.
 */
export function createStepRunner(parts: StepRunnerParts): (arrived: StepArrival) => Promise<StepReport> {
  const { flow, store } = parts
  return async arrived => {
    const { step, instance, arrival, tx } = arrived
    const id: InstanceId = { saga: flow.name, instance }
    const before = arrived.steps.get(step.name) ?? freshStep
    const next = advance(step, before, arrival)
    if (next.action === 'duplicate' && arrival.is === 'event') {
      await writeLast(tx, [store.countDuplicate(id, step.name, arrival.id)])
      return { step: step.name, instance, action: next.action, outcome: undefined, emitted: [] }
    }
    requireJson(step.name, next.state.waiting)
    const { outcome, emitted } = await act(parts, arrived, next)
    const types = emitted.map(({ type }) => type)
    const happened: Happened = {
      id,
      step: step.name,
      steps: new Map(arrived.steps).set(step.name, next.state),
      ended: endsSaga(flow, arrival, types),
      action: next.action,
      outcome: outcome?.is,
      event: arrival.is === 'event' ? { type: arrival.type, id: arrival.id } : undefined,
      emitted: types,
      attempt: arrived.attempt,
    }
    for (const emission of emitted) await parts.publish(tx, emission, arrived.cause)
    await writeLast(tx, [store.write(happened), ...timerStatements(store, arrived, { id, before, after: next.state })])
    return { step: step.name, instance, action: next.action, outcome: outcome?.is, emitted: types }
  }
}

interface Acted {
  readonly outcome: Outcome | undefined
  readonly emitted: readonly Emission[]
}

/** Runs the handler, if there is something to be done, and holds it to what the saga declares. */
async function act({ handlers }: StepRunnerParts, arrived: StepArrival, next: Advance): Promise<Acted> {
  const { tx, instance, signal, context, step } = arrived
  const outcomes = outcomesOf(step, next.action)
  if (outcomes.length === 0) return { outcome: undefined, emitted: [] }
  const emissions = collectEmissions(step.name, outcomes)
  const emit = (type: string, data: unknown, options?: PublishOptions): void => emissions.emit(type, data, options)
  const run = { tx, instance, run: next.state.runs, signal, emit, ...(context !== undefined && { context }) }
  const handler = handlers.get(step.name)
  if (next.action === 'time-out') await handler?.timedOut?.(waitedFor(step, next), run)
  else if (next.action === 'exhaust') await handler?.exhausted?.(runEvent(step, next), run)
  else await handler?.run(runEvent(step, next), run)
  return emissions.close()
}

function runEvent(step: Step, { events }: Advance): unknown {
  if (step.on.is === 'all') return Object.fromEntries(events.map(({ type, data }) => [type, data]))
  const [arrived] = events
  return step.on.types.length === 1 ? arrived?.data : { type: arrived?.type, data: arrived?.data }
}

function waitedFor(step: Step, { events }: Advance): unknown {
  const since = step.timeout?.since
  if (since !== undefined) return events.find(({ type }) => type === since)?.data
  return Object.fromEntries(events.map(({ type, data }) => [type, data]))
}

function endsSaga(flow: Flow, arrival: Arrival, emitted: readonly string[]): boolean {
  return flow.ends.some(({ type }) => emitted.includes(type) || (arrival.is === 'event' && arrival.type === type))
}

interface Change {
  readonly id: InstanceId
  readonly before: StepState
  readonly after: StepState
}

function timerStatements(
  store: InstanceStore,
  { step, cause }: StepArrival,
  { id, before, after }: Change,
): readonly Statement[] {
  if (before.timer === after.timer || step.timeout === undefined) return []
  if (!after.timer) return [store.disarm(id, step.name)]
  const { correlationId, causationId } = cause
  return [store.arm({ id, step: step.name, afterMs: step.timeout.afterMs, correlationId, causationId })]
}

/** With the COMMIT, in one round trip where the client can. */
async function writeLast(tx: Transaction, statements: readonly Statement[]): Promise<void> {
  if (tx.beforeCommit !== undefined) return tx.beforeCommit(() => statements)
  const query: Query = tx.query
  for (const { text, parameters } of statements) await query(text, parameters)
}
