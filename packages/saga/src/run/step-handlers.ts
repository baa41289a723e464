import type { Contract, EventData, EventInput, EventType, HandlerContext, PublishOptions } from '@mekong/core'
import type { Transaction } from '@mekong/postgres'
import type { Saga, StepDeclaration } from '../declare/declaration.ts'
import type { AllOf, AnyOf, TypesIn } from '../declare/events.ts'

/** The services that a saga names. */
export type ServiceOf<S extends Saga> = S['steps'][keyof S['steps']]['service']

/** The names of the steps that belong to one service. */
export type StepsOf<S extends Saga, Service extends string> = {
  [K in keyof S['steps'] & string]: S['steps'][K]['service'] extends Service ? K : never
}[keyof S['steps'] & string]

/** What a service does at each of its steps: all of them, and no others. */
export type StepHandlers<S extends Saga, Service extends string> = {
  readonly [K in StepsOf<S, Service>]: StepHandler<S['contract'], S['steps'][K]>
}

/** A function, where the step can only run; otherwise one for each thing that can be asked of it. */
export type StepHandler<C extends Contract, Step extends StepDeclaration> = keyof OtherHandlers<C, Step> extends never
  ? RunHandler<C, Step>
  : { readonly run: RunHandler<C, Step> } & OtherHandlers<C, Step>

/**
 * Does the work of a step through `step.tx`, and says what came of it with `step.emit`: the events of exactly one outcome
 * that the saga declares. When it rejects, nothing has happened, and the event is tried again. It may run twice for one
 * event (the first run then left nothing behind), so that effects outside the database need a key from the event.
 */
export type RunHandler<C extends Contract, Step extends StepDeclaration> = (
  event: StepEvent<C, Step['on']>,
  step: StepRun<C, TypesIn<Step['emits']> | TypesIn<Step['fails']>> & { readonly context: HandlerContext<C> },
) => unknown

type OtherHandlers<C extends Contract, Step extends StepDeclaration> = TimedOut<C, Step> & Exhausted<C, Step>

type TimedOut<C extends Contract, Step extends StepDeclaration> = Step extends {
  readonly timeout: infer T extends StepDeclaration['timeout'] & {}
}
  ? {
      /** Runs instead of the step when its time is up. `event` is the one from which time ran, or what a join has so far. */
      readonly timedOut: (event: WaitedFor<C, Step['on'], T>, step: StepRun<C, T['emits']>) => unknown
    }
  : unknown

type Exhausted<C extends Contract, Step extends StepDeclaration> = Step extends {
  readonly limit: { readonly emits: infer T extends string }
}
  ? {
      /** Runs instead of the step, once, when it was asked to run more often than its limit allows. */
      readonly exhausted: (
        event: StepEvent<C, Step['on']>,
        step: StepRun<C, T> & { readonly context: HandlerContext<C> },
      ) => unknown
    }
  : unknown

/** What a handler gets: the data of its event; with `any`, its type beside it; with `all`, the data of each by type. */
export type StepEvent<C extends Contract, On> =
  On extends AllOf<infer T>
    ? { readonly [K in T & EventType<C>]: EventData<C, K> }
    : On extends AnyOf<infer T>
      ? { [K in T & EventType<C>]: { readonly type: K; readonly data: EventData<C, K> } }[T & EventType<C>]
      : On extends EventType<C>
        ? EventData<C, On>
        : never

type WaitedFor<C extends Contract, On, T> = T extends { readonly since: infer Since extends EventType<C> }
  ? EventData<C, Since>
  : Partial<StepEvent<C, On>>

/** One run of one step. */
export interface StepRun<C extends Contract, Emits> {
  /** Everything done through it commits with the state of the saga, the inbox and the events, or not at all. */
  readonly tx: Transaction
  /** Which instance of the saga this is. */
  readonly instance: string
  /** 1, unless the step has a limit and has run before. */
  readonly run: number
  /** Aborts at the deadline of the attempt and when closing. */
  readonly signal: AbortSignal
  /**
   * Takes an event to be published with the commit, through the outbox.
   * @throws MekongError SAGA_STATE_CONFLICT for an event that the step does not declare, or a second one of its type
   */
  emit<T extends Emits & EventType<C>>(type: T, data: EventInput<C, T>, ...options: EmitArguments<C, T>): void
}

/** As with an outbox: an event leaves with the commit, so that it cannot be delayed; optional, unless the contract says `key: 'required'`. */
export type EmitArguments<C extends Contract, T extends EventType<C>> = C[T] extends { readonly key: 'required' }
  ? [options: Omit<PublishOptions, 'delayMs'> & { readonly key: string }]
  : [options?: Omit<PublishOptions, 'delayMs'>]

/** The handlers of a service as the runtime calls them, which knows names only when it reads the saga. */
export interface UntypedHandler {
  readonly run: (event: unknown, step: unknown) => unknown
  readonly timedOut?: ((event: unknown, step: unknown) => unknown) | undefined
  readonly exhausted?: ((event: unknown, step: unknown) => unknown) | undefined
}
