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

/** Messages a second. */
export function rate({ messages, tookMs }: Measurement): number {
  return (messages / tookMs) * 1000
}

/** Of the contender's process, in microseconds a message. */
export function cpuMicros({ messages, cpuMs }: Measurement): number {
  return (cpuMs * 1000) / messages
}
