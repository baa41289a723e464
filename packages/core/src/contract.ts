import type { InferInput, InferOutput, StandardSchema } from './standard-schema.ts'

/** One event type of a system. */
export interface EventDefinition<Schema extends StandardSchema = StandardSchema> {
  /** Anything that speaks Standard Schema. Published data is checked against it and sent as given; a handler gets its output. */
  readonly schema: Schema
  /** Where it travels. Types that share a topic keep their order among each other. @default the event type */
  readonly topic?: string
  /**
   * What order is kept by. A type with a key is ordered for every subscription that does not say `order: 'none'`.
   * `'required'`: the publisher passes `key` with each event.
   */
  readonly key?: ((data: InferOutput<Schema>) => string) | 'required'
  /** Version of the schema, a positive integer. @default 1 */
  readonly version?: number
  /** Turns data of version n into version n + 1; applied one after the other before validation. */
  readonly upcast?: Readonly<Record<number, (data: unknown) => unknown>>
}

/** The declared event types of a system. */
export type Contract = Readonly<Record<string, AnyDefinition>>

/** What a bus without a contract is typed with: any type, any data. The first five minutes need no schema. */
// oxlint-disable-next-line typescript/no-explicit-any -- what is not declared is not known
export type UntypedContract = Readonly<Record<string, EventDefinition<StandardSchema<any>>>>

// A definition of any schema: `key` is contravariant in the data, so only `any` stands for all of them.
// oxlint-disable-next-line typescript/no-explicit-any
type AnyDefinition = EventDefinition<StandardSchema<any, any>>

export type EventType<C extends Contract> = keyof C & string

/** What publishing takes. */
export type EventInput<C extends Contract, T extends EventType<C>> = InferInput<C[T]['schema']>

/** What a handler gets. */
export type EventData<C extends Contract, T extends EventType<C>> = InferOutput<C[T]['schema']>
