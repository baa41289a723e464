import type { LimitDeclaration, Saga, StepDeclaration, TimeoutDeclaration } from './declaration.ts'
import { typesIn } from './events.ts'

/** A saga as the check, the exploration, the drawing and the run read it: every short form spelled out. */
export interface Flow {
  readonly name: string
  readonly starts: readonly string[]
  readonly steps: readonly Step[]
  readonly ends: readonly End[]
}

export interface Step {
  readonly name: string
  readonly service: string
  readonly on: { readonly is: 'any' | 'all'; readonly types: readonly string[] }
  /** How a run may go: at least one way to succeed, and the ways to fail. */
  readonly outcomes: readonly Outcome[]
  readonly compensates: string | undefined
  /** Whether it may stay as it is when the saga is compensated. */
  readonly staysDone: boolean
  readonly pivot: boolean
  readonly timeout: TimeoutDeclaration | undefined
  readonly limit: LimitDeclaration | undefined
}

/** One way a step can go: all of these events, and no other. */
export interface Outcome {
  readonly is: 'success' | 'failure' | 'timed-out' | 'exhausted'
  readonly emits: readonly string[]
}

export interface End {
  readonly name: string
  readonly type: string
  readonly compensated: boolean
}

/** Spells a saga out. */
export function flowOf(saga: Saga): Flow {
  return {
    name: saga.name,
    starts: typesIn(saga.starts),
    steps: Object.entries(saga.steps).map(([name, declared]) => stepOf(name, declared)),
    ends: Object.entries(saga.ends).map(([name, end]) =>
      typeof end === 'string'
        ? { name, type: end, compensated: false }
        : { name, type: end.compensated, compensated: true },
    ),
  }
}

/** Spells one step out. */
export function stepOf(name: string, declared: StepDeclaration): Step {
  const { service, on, compensates, timeout, limit } = declared
  return {
    name,
    service,
    on: { is: typeof on === 'object' && 'all' in on ? 'all' : 'any', types: typesIn(on) },
    outcomes: [
      ...successes(declared),
      ...typesIn(declared.fails).map(type => ({ is: 'failure' as const, emits: [type] })),
    ],
    compensates,
    staysDone: declared.compensation === 'none',
    pivot: declared.pivot === true,
    timeout,
    limit,
  }
}

/** How a step can end, being timed out or exhausted included. */
export function everyOutcome(step: Step): readonly Outcome[] {
  const { timeout, limit, outcomes } = step
  return [
    ...outcomes,
    ...(timeout === undefined ? [] : [{ is: 'timed-out' as const, emits: [timeout.emits] }]),
    ...(limit === undefined ? [] : [{ is: 'exhausted' as const, emits: [limit.emits] }]),
  ]
}

/** The event types that a step listens to: those that start it, and the one its timeout runs from. */
export function heardBy(step: Step): readonly string[] {
  const since = step.timeout?.since
  return since === undefined || step.on.types.includes(since) ? step.on.types : [...step.on.types, since]
}

function successes({ emits }: StepDeclaration): readonly Outcome[] {
  if (typeof emits === 'object' && 'any' in emits) return emits.any.map(type => ({ is: 'success', emits: [type] }))
  return [{ is: 'success', emits: typesIn(emits) }]
}
