import { everyOutcome, type Outcome, type Step } from './flow.ts'

/** What a service remembers of one step of one instance. Plain data: stored as JSON, hashed by the exploration. */
export interface StepState {
  readonly is: 'open' | 'timed-out' | 'exhausted'
  readonly runs: number
  /** Events that arrived and wait for the others of a join, or from which a timeout runs. */
  readonly waiting: readonly Arrived[]
  /** Ids of events that counted already. Kept while the step may run again, so at most one for each event and run. */
  readonly seen: readonly string[]
  readonly timer: boolean
}

export interface Arrived {
  readonly type: string
  readonly id: string
  readonly data: unknown
}

export type Arrival = ({ readonly is: 'event' } & Arrived) | { readonly is: 'timeout' }

/** What is to be done about an arrival, and what the step remembers if that is done. */
export interface Advance {
  readonly action: Action
  readonly state: StepState
  /** The events that the step runs for, or timed out with. */
  readonly events: readonly Arrived[]
}

/**
 * `run` it; `time-out` or `exhaust` it, each once; `wait` for more; or nothing: the event counted before (`duplicate`), or
 * the step needs no more of them (`surplus`).
 */
export type Action = 'run' | 'time-out' | 'exhaust' | 'wait' | 'duplicate' | 'surplus'

const outcomesByAction: Readonly<Record<Action, readonly Outcome['is'][]>> = {
  run: ['success', 'failure'],
  'time-out': ['timed-out'],
  exhaust: ['exhausted'],
  wait: [],
  duplicate: [],
  surplus: [],
}

/** How the step may go from here. None: its handlers are not asked. */
export function outcomesOf(step: Step, action: Action): readonly Outcome[] {
  return everyOutcome(step).filter(({ is }) => outcomesByAction[action].includes(is))
}

export const freshStep: StepState = { is: 'open', runs: 0, waiting: [], seen: [], timer: false }

/**
 * The one rule by which steps go on, for the services at run time and for the exploration alike. Pure. Its answer is the
 * same in whatever order events arrive and however often, as far as a step can make it so.
 */
export function advance(step: Step, state: StepState, arrival: Arrival): Advance {
  if (arrival.is === 'timeout') return timeOut(state)
  if (state.seen.includes(arrival.id)) return leave('duplicate', state)
  const arrived = { type: arrival.type, id: arrival.id, data: arrival.data }
  if (state.is !== 'open' || isFinished(step, state)) return leave('surplus', state)
  if (!step.on.types.includes(arrival.type)) return arm(state, arrived)
  return step.on.is === 'any' ? start(step, note(state, arrived), [arrived]) : join(step, state, arrived)
}

/** Whether an event can make no difference any more, whatever else happens. */
export function isPast(step: Step, state: StepState, eventId: string): boolean {
  return state.is !== 'open' || isFinished(step, state) || state.seen.includes(eventId)
}

function join(step: Step, state: StepState, arrived: Arrived): Advance {
  if (state.waiting.some(({ type }) => type === arrived.type)) return leave('surplus', state)
  const noted = { ...note(state, arrived), waiting: [...state.waiting, arrived] }
  const there = noted.waiting.filter(({ type }) => step.on.types.includes(type))
  if (there.length === step.on.types.length) return start(step, noted, there)
  const since = step.timeout?.since
  const arms = step.timeout !== undefined && (since === undefined || since === arrived.type)
  return { action: 'wait', state: { ...noted, timer: noted.timer || arms }, events: [] }
}

function start(step: Step, state: StepState, events: readonly Arrived[]): Advance {
  const idle = { ...state, waiting: [], timer: false }
  if (state.runs >= maxRuns(step)) return { action: 'exhaust', state: { ...idle, is: 'exhausted', seen: [] }, events }
  const ran = { ...idle, runs: state.runs + 1 }
  return { action: 'run', state: isFinished(step, ran) ? { ...ran, seen: [] } : ran, events }
}

function arm(state: StepState, arrived: Arrived): Advance {
  if (state.runs > 0) return leave('surplus', state)
  const armed = { ...note(state, arrived), waiting: [...state.waiting, arrived], timer: true }
  return { action: state.timer ? 'surplus' : 'wait', state: state.timer ? state : armed, events: [] }
}

function timeOut(state: StepState): Advance {
  if (!state.timer) return leave('surplus', state)
  const closed = { ...state, is: 'timed-out' as const, waiting: [], seen: [], timer: false }
  return { action: 'time-out', state: closed, events: state.waiting }
}

function note(state: StepState, { id }: Arrived): StepState {
  return { ...state, seen: [...state.seen, id] }
}

function leave(action: 'duplicate' | 'surplus', state: StepState): Advance {
  return { action, state, events: [] }
}

function maxRuns(step: Step): number {
  return step.limit?.runs ?? 1
}

function isFinished(step: Step, state: StepState): boolean {
  return step.limit === undefined && state.runs >= maxRuns(step)
}
