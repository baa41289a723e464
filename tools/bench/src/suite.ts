import type { Measure, Work } from './contender.ts'

/** The contenders of one broker. */
export interface Suite {
  /** How the command names it. */
  readonly name: string
  /** A broker for this run alone. */
  start(): Promise<SuiteBroker>
  readonly measures: readonly SuiteMeasure[]
}

/** Sees what the broker has with eyes of its own, not with a contender's. */
export interface SuiteBroker extends AsyncDisposable {
  readonly url: string
  /** As the page names it, with the version. */
  readonly name: string
  /** Makes what the contenders find there. Those of RabbitMQ declare their own queues. */
  declare?(work: Work): Promise<void>
  /** How many messages are there; called when nobody is at work. */
  stored(work: Work): Promise<number>
  /** How many of them the group of this work has not acknowledged; called when nobody is at work, but somebody was. */
  left(work: Work): Promise<number>
  /**
   * How many acknowledgements may be lost with the channel that they were sent on, because the broker works them off behind
   * it: as many messages come again, whoever the client is.
   */
  readonly maxUnsettled: number
  /** Removes what the work has left. */
  drop(work: Work): Promise<void>
}

export interface SuiteMeasure {
  readonly measure: Measure
  readonly title: string
  readonly messages: number
  /**
   * The module whose `publish` fills one topic for all to consume, where the broker keeps what is consumed.
   * @default each fills its own
   */
  readonly filledBy?: string
  readonly contenders: readonly SuiteContender[]
}

export interface SuiteContender {
  /** In this folder, without `.ts`. */
  readonly module: string
  /** The module that it is held against: the raw client that it stands on, or the first of the list. */
  readonly against: string
  /** At least this ratio of the other's rate, where we have promised one. */
  readonly target?: number
  /** How many messages it does where those of the others would take it minutes. */
  readonly messages?: number
  /** What it does differently, for a reader who compares. */
  readonly note?: string
}

export interface Filter {
  /** Contenders whose module contains this, and those that they are held against. */
  readonly only?: string | undefined
  readonly measure?: string | undefined
}

/** @throws RangeError when nothing is left */
export function only(suite: Suite, { only = '', measure }: Filter): Suite {
  const measures = suite.measures
    .filter(one => measure === undefined || one.measure === measure)
    .map(one => ({ ...one, contenders: withOpponents(one.contenders, only) }))
    .filter(({ contenders }) => contenders.length > 0)
  if (measures.length === 0) throw new RangeError(`${suite.name} has no such measure or contender`)
  return { ...suite, measures }
}

function withOpponents(contenders: readonly SuiteContender[], word: string): readonly SuiteContender[] {
  const asked = contenders.filter(({ module }) => module.includes(word))
  const wanted = new Set(asked.flatMap(({ module, against }) => [module, against]))
  // An opponent's own ratio is of another one still.
  for (const { module, against } of contenders) if (wanted.has(module)) wanted.add(against)
  return contenders.filter(({ module }) => wanted.has(module))
}
