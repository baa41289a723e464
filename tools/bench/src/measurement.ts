import type { Measure, Work } from './contender.ts'

/** What a contender's process is told. */
export interface Order {
  /** File URL of the module whose export `contender` is measured. */
  readonly module: string
  readonly measure: Measure
  readonly work: Work
}

/** What it answers. */
export interface Measurement {
  readonly name: string
  readonly messages: number
  readonly tookMs: number
  /** Of the process, all threads, user and system. */
  readonly cpuMs: number
}
