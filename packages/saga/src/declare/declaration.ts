import type { Contract, EventData, EventType } from '@mekong/core'
import type { AllOf, AnyOf, Compensated, TypesIn } from './events.ts'

/** One local transaction of one service. It runs once for each saga instance, unless `limit` allows more. */
export interface StepDeclaration<T extends string = string> {
  /** Who does it: the `service` of an event bus. */
  readonly service: string
  /** What starts it: an event, `any` of several, or `all` of several. */
  readonly on: T | AnyOf<T> | AllOf<T>
  /** What it emits when it succeeds. Omitted: nothing. */
  readonly emits?: T | AnyOf<T> | AllOf<T>
  /** What it emits instead when it cannot be done. Omitted: it cannot fail, only be tried again. */
  readonly fails?: T | AnyOf<T>
  /** The step that this one undoes. */
  readonly compensates?: string
  /** `none`: there is nothing to undo, though a later step may fail. */
  readonly compensation?: 'none'
  /** The point of no return: once it has succeeded, no compensated end can be reached. */
  readonly pivot?: true
  readonly timeout?: TimeoutDeclaration<T>
  readonly limit?: LimitDeclaration<T>
}

/**
 * How long a step may be waited for. Either the step starts in time or it is closed and this event is emitted instead:
 * never both, and what arrives later is ignored by the step.
 */
export interface TimeoutDeclaration<T extends string = string> {
  /** Milliseconds. */
  readonly afterMs: number
  /** The event from which time runs. @default the first event of a step that awaits `all`; others must say it */
  readonly since?: T
  readonly emits: T
}

/** Lets a step run more than once in one instance: the bound of a loop. */
export interface LimitDeclaration<T extends string = string> {
  /** How often it may run. */
  readonly runs: number
  /** Emitted, once, instead of running once more. */
  readonly emits: T
}

/** The outcomes of a saga by name, each with the event that says so. */
export type EndsDeclaration<T extends string = string> = Readonly<Record<string, T | Compensated<T>>>

export type StepsDeclaration<T extends string = string> = Readonly<Record<string, StepDeclaration<T>>>

/** What `defineSaga` takes. */
export interface SagaDeclaration<
  C extends Contract,
  Starts extends EventType<C> | AnyOf<EventType<C>>,
  Steps extends StepsDeclaration<EventType<C>>,
  Ends extends EndsDeclaration<EventType<C>>,
> {
  /** Part of what is stored: renaming it means starting anew. */
  readonly name: string
  /** The events that begin an instance; published by whoever wants it to begin. */
  readonly starts: Starts
  /**
   * Which instance an event belongs to. @default its correlation id, which whatever a first event sets off has in common
   */
  readonly correlate?: (event: EventData<C, AwaitedTypes<Steps> & EventType<C>>) => string
  readonly steps: Steps & { readonly [K in keyof Steps]: { readonly compensates?: OtherStep<Steps, K> } }
  readonly ends: Ends
}

type OtherStep<Steps, K> = string extends keyof Steps ? string : Exclude<keyof Steps & string, K>

/** A declared saga. Immutable data, safe to share between services: everything else is computed from it. */
export interface Saga<
  C extends Contract = Contract,
  Steps extends StepsDeclaration = StepsDeclaration,
  Ends extends EndsDeclaration = EndsDeclaration,
> {
  readonly contract: C
  readonly name: string
  readonly starts: string | AnyOf
  readonly correlate: ((event: never) => string) | undefined
  readonly steps: Steps
  readonly ends: Ends
}

/** Every event type that some step of these awaits. */
export type AwaitedTypes<Steps extends StepsDeclaration> = {
  [K in keyof Steps]:
    | TypesIn<Steps[K]['on']>
    | (Steps[K] extends { timeout: { since: infer T extends string } } ? T : never)
}[keyof Steps]
