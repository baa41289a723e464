/** What can be wrong with a declared saga, in the order in which it is reported. */
export const findingKinds = [
  /** A type that is not in the contract. */
  'unknown-event',
  /** `compensates` names no step. */
  'unknown-step',
  /** A name that cannot be part of a subscription's. */
  'bad-name',
  /** A number that makes no sense: a timeout below zero, a limit below one. */
  'bad-number',
  /** An event is emitted, or begins the saga, and neither a step handles it nor an end names it. */
  'never-handled',
  /** An event is awaited, or an end, and nothing emits it. */
  'never-emitted',
  /** Steps of two services emit the same event. */
  'two-services',
  /** No sequence of events reaches this end. */
  'end-unreachable',
  /** No sequence of events starts this step. */
  'step-unreachable',
  /** A way a step can go from which no end can be reached. */
  'no-way-out',
  /** A step stays done although a later failure leads to a compensated end. */
  'not-compensated',
  /** After the pivot, a compensated end can still be reached. */
  'pivot-can-fail',
  /** A compensation must succeed sooner or later, so it may not declare a failure. */
  'compensation-can-fail',
  /** A loop in which no step has a limit. */
  'unbounded-loop',
  /** A timeout that nothing arms. */
  'timeout-never-starts',
] as const

export type FindingKind = (typeof findingKinds)[number]

/** One thing that is wrong with a saga. */
export interface Finding {
  readonly kind: FindingKind
  /** The step, event or end that it is about. */
  readonly about: string
  /** One sentence that says what is wrong. */
  readonly sentence: string
}
