import type { Server } from '@mekong/stack'
import type { Measure } from './contender.ts'

/** The contenders of one broker. */
export interface Suite {
  readonly broker: string
  start(): Promise<Server>
  readonly version: string
  readonly measures: readonly SuiteMeasure[]
}

export interface SuiteMeasure {
  readonly measure: Measure
  readonly title: string
  readonly messages: number
  readonly contenders: readonly SuiteContender[]
}

export interface SuiteContender {
  /** In this folder, without `.ts`. */
  readonly module: string
  /** What it is held against: the raw client that it stands on, or the first of the list. */
  readonly against: string
  /** At least this ratio of the other's rate, where we have promised one. */
  readonly target?: number
}
