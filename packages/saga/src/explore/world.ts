import { heardBy, type Flow, type Outcome, type Step } from '../declare/flow.ts'
import {
  advance,
  freshStep,
  isPast,
  outcomesOf,
  type Action,
  type Arrival,
  type Arrived,
  type StepState,
} from '../declare/step-state.ts'

/** One moment of one instance: what each step remembers, and what is on its way. */
export interface World {
  readonly steps: ReadonlyMap<string, StepState>
  readonly onTheWay: readonly Delivery[]
  /** Steps that succeeded, not as the consequence of a failure, and are not compensated. */
  readonly done: ReadonlySet<string>
  /** Names of the ends that were reached. */
  readonly ends: ReadonlySet<string>
  /** Ids of events that follow from a failure. */
  readonly afterFailure: ReadonlySet<string>
}

/** An event on its way to one step. `again`: the copy that may come at any time later, or not at all. */
export interface Delivery {
  readonly step: string
  readonly type: string
  readonly id: string
  readonly again: boolean
}

/** One thing that happens. */
export interface Move {
  readonly step: string
  /** What happens to the step: an event arrives, arrives once more, or time is up. */
  readonly by: { readonly is: 'event' | 'duplicate'; readonly type: string } | { readonly is: 'timeout' }
  readonly action: Action
  /** How the step went, where it ran. */
  readonly outcome: Outcome | undefined
}

/** The world when a start event has just been published. */
export function worldAtStart(flow: Flow, type: string): World {
  const nothing: World = { steps: new Map(), onTheWay: [], done: new Set(), ends: new Set(), afterFailure: new Set() }
  return publish(flow, nothing, { type, id: type, afterFailure: false })
}

/** Whether nothing has to happen any more. A copy may still come. */
export function isAtRest(world: World): boolean {
  return world.onTheWay.every(({ again }) => again) && timersOf(world).length === 0
}

/** Every next moment, each with what led to it. */
export function nextWorlds(flow: Flow, world: World, duplicates: boolean): readonly { move: Move; world: World }[] {
  const deliveries = world.onTheWay.flatMap(delivery => {
    const arrival = { is: 'event' as const, type: delivery.type, id: delivery.id, data: undefined }
    const rest = world.onTheWay.filter(other => other !== delivery)
    const copy = duplicates && !delivery.again ? [{ ...delivery, again: true }] : []
    const by = { is: delivery.again ? ('duplicate' as const) : ('event' as const), type: delivery.type }
    return arrive(flow, { ...world, onTheWay: [...rest, ...copy] }, { step: delivery.step, by, arrival })
  })
  const timeouts = timersOf(world).flatMap(step =>
    arrive(flow, world, { step, by: { is: 'timeout' }, arrival: { is: 'timeout' } }),
  )
  return [...deliveries, ...timeouts]
}

/** Equal for equal worlds, however they came about. */
export function fingerprint(world: World): string {
  return JSON.stringify([
    [...world.steps]
      .map(([name, state]) => [
        name,
        { ...state, waiting: state.waiting.map(({ id }) => id).toSorted(), seen: state.seen.toSorted() },
      ])
      .toSorted(byText),
    world.onTheWay.map(({ step, id, again }) => [step, id, again]).toSorted(byText),
    [...world.done].toSorted(),
    [...world.ends].toSorted(),
    [...world.afterFailure].toSorted(),
  ])
}

interface Happening {
  readonly step: string
  readonly by: Move['by']
  readonly arrival: Arrival
}

function arrive(
  flow: Flow,
  world: World,
  { step: name, by, arrival }: Happening,
): readonly { move: Move; world: World }[] {
  const step = flow.steps.find(candidate => candidate.name === name)
  if (step === undefined) return []
  const { action, state, events } = advance(step, world.steps.get(name) ?? freshStep, arrival)
  // Copies that can make no difference any more are dropped: most of what there would be to look at.
  const onTheWay = world.onTheWay.filter(copy => !copy.again || copy.step !== name || !isPast(step, state, copy.id))
  const remembered = { ...world, onTheWay, steps: new Map(world.steps).set(name, state) }
  const outcomes = outcomesOf(step, action)
  if (outcomes.length === 0) return [{ move: { step: name, by, action, outcome: undefined }, world: remembered }]
  return outcomes.map(outcome => ({
    move: { step: name, by, action, outcome },
    world: go(flow, remembered, { step, outcome, events, run: state.runs }),
  }))
}

interface Going {
  readonly step: Step
  readonly outcome: Outcome
  readonly events: readonly Arrived[]
  readonly run: number
}

function go(flow: Flow, world: World, { step, outcome, events, run }: Going): World {
  const follows = events.some(({ id }) => world.afterFailure.has(id))
  const afterFailure = follows || outcome.is !== 'success'
  let next: World = { ...world, done: doneAfter(world.done, { step, succeeded: outcome.is === 'success', follows }) }
  for (const type of outcome.emits)
    next = publish(flow, next, { type, id: `${step.name}.${run}.${type}`, afterFailure })
  return next
}

function doneAfter(
  done: ReadonlySet<string>,
  { step, succeeded, follows }: { readonly step: Step; readonly succeeded: boolean; readonly follows: boolean },
): ReadonlySet<string> {
  if (!succeeded) return done
  if (step.compensates !== undefined) return new Set([...done].filter(name => name !== step.compensates))
  return follows || step.staysDone ? done : new Set([...done, step.name])
}

function publish(
  flow: Flow,
  world: World,
  { type, id, afterFailure }: { readonly type: string; readonly id: string; readonly afterFailure: boolean },
): World {
  const listeners = flow.steps.filter(step => heardBy(step).includes(type))
  const reached = flow.ends.filter(end => end.type === type).map(({ name }) => name)
  return {
    ...world,
    onTheWay: [...world.onTheWay, ...listeners.map(step => ({ step: step.name, type, id, again: false }))],
    ends: reached.length === 0 ? world.ends : new Set([...world.ends, ...reached]),
    afterFailure: afterFailure ? new Set([...world.afterFailure, id]) : world.afterFailure,
  }
}

function timersOf(world: World): readonly string[] {
  return [...world.steps].filter(([, { timer }]) => timer).map(([name]) => name)
}

function byText(a: unknown, b: unknown): number {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)]
  return left < right ? -1 : left > right ? 1 : 0
}
