/** Every one of these events, in any order. */
export interface AllOf<T extends string = string> {
  readonly all: readonly T[]
}

/** One of these events. */
export interface AnyOf<T extends string = string> {
  readonly any: readonly T[]
}

/** An end at which every step that had succeeded is compensated. */
export interface Compensated<T extends string = string> {
  readonly compensated: T
}

/** In `on`: the step waits until each of these events is there, and runs once. In `emits`: one run emits each of them. */
export function all<const T extends string>(...types: readonly [T, T, ...T[]]): AllOf<T> {
  return { all: types }
}

/** In `on`: the first of these events starts the step. In `emits` and `fails`: one run emits exactly one of them. */
export function any<const T extends string>(...types: readonly [T, T, ...T[]]): AnyOf<T> {
  return { any: types }
}

/** In `ends`: when this event comes, whatever the saga had done is undone. */
export function compensated<const T extends string>(type: T): Compensated<T> {
  return { compensated: type }
}

/** The event types that a part of a declaration names. */
export type TypesIn<E> = E extends string
  ? E
  : E extends AllOf<infer T>
    ? T
    : E extends AnyOf<infer T>
      ? T
      : E extends Compensated<infer T>
        ? T
        : never

/** The event types that a part of a declaration names, in its order. */
export function typesIn<T extends string>(events: T | AllOf<T> | AnyOf<T> | undefined): readonly T[] {
  if (events === undefined) return []
  if (typeof events === 'string') return [events]
  return 'all' in events ? events.all : events.any
}
