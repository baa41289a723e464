import { systemClock, type Clock } from '../clock.ts'
import { requirePositiveInteger } from '../consume/consume-tuning.ts'
import type { BrokerUrl } from '../driver/broker-url.ts'
import { MekongError } from '../error.ts'
import { resolveHostility, type Hostility, type ResolvedHostility } from './hostility.ts'

export interface MemoryBrokerOptions {
  /** Of a topic that is created without saying how many; fixed for the life of the topic. @default 8 */
  readonly partitions?: number
  /** Bound of one partition: messages not yet taken by a known group are never dropped, a publish fails instead. @default 10,000 */
  readonly maxMessages?: number
  /** Bound of one partition; at least 1 MiB. @default 16 MiB */
  readonly maxBytes?: number
  /** How long messages that every known group has taken are kept for replay, within the bounds. @default 3,600,000 (an hour) */
  readonly retentionMs?: number
  /** `declared`: publishing to a topic that nobody created is refused. @default 'on-use' */
  readonly createTopics?: 'on-use' | 'declared'
  /** How long a member may drain a partition that goes to another one; then it is lost to it. @default 30,000 */
  readonly drainTimeoutMs?: number
  readonly clock?: Clock
  /**
   * When deliveries run. One turn serves every partition of a member once, so that input and timers get theirs in between.
   * @default setImmediate
   */
  readonly defer?: (run: () => void) => void
  /** For tests only. */
  readonly hostility?: Hostility
}

export type ResolvedMemoryBrokerOptions = Readonly<Required<Omit<MemoryBrokerOptions, 'hostility'>>> & {
  readonly hostility: ResolvedHostility
}

export const MAX_MESSAGE_BYTES = 1_048_576

const numbers = ['partitions', 'maxMessages', 'maxBytes', 'retentionMs', 'drainTimeoutMs'] as const
const names = [...numbers, 'createTopics', 'clock', 'defer', 'hostility']

/** @throws MekongError INVALID_CONFIGURATION */
export function resolveMemoryBrokerOptions(given: MemoryBrokerOptions = {}): ResolvedMemoryBrokerOptions {
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw invalid(`memory: ${name} is not an option; the options are ${names.join(', ')}`)
  }
  const options = {
    partitions: 8,
    maxMessages: 10_000,
    maxBytes: 16 * MAX_MESSAGE_BYTES,
    retentionMs: 3_600_000,
    createTopics: 'on-use' as const,
    drainTimeoutMs: 30_000,
    clock: systemClock,
    defer: (run: () => void): void => void setImmediate(run),
    ...given,
    hostility: resolveHostility(given.hostility),
  }
  for (const name of numbers) requirePositiveInteger(`memory: ${name}`, options[name])
  if (options.maxBytes < MAX_MESSAGE_BYTES) throw invalid(`memory: maxBytes must be at least ${MAX_MESSAGE_BYTES}`)
  if (options.createTopics !== 'on-use' && options.createTopics !== 'declared') {
    throw invalid(
      `memory: createTopics must be one of 'on-use', 'declared', not ${JSON.stringify(options.createTopics)}`,
    )
  }
  return options
}

/** Reads `memory:`, `memory://name` and `memory://name?partitions=4&…`. */
export function parseMemoryUrl(url: BrokerUrl): { readonly name: string; readonly options: MemoryBrokerOptions } {
  const options: Record<string, unknown> = {}
  for (const [name, value] of url.parameters) {
    if (name === 'createTopics') options[name] = value
    else if ((numbers as readonly string[]).includes(name)) options[name] = Number(value)
    else
      throw invalid(
        `broker URL: ${name} is not a parameter; the parameters are ${[...numbers, 'createTopics'].join(', ')}`,
      )
  }
  return { name: url.hosts[0]?.host || url.path || 'default', options }
}

function invalid(message: string): MekongError {
  return new MekongError('INVALID_CONFIGURATION', message)
}
