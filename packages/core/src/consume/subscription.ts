import type { Contract } from '../contract.ts'
import { MekongError } from '../error.ts'
import type { SubscriptionOptions } from '../event-bus.ts'
import type { Handler } from '../handler.ts'
import type { HoldScope } from '../hold/hold-store.ts'
import { requirePositiveInteger } from './consume-tuning.ts'
import { resolveRetryPolicy, type RetryPolicy } from './retry-policy.ts'
import type { SubscriptionRequest } from './subscription-request.ts'

/** A subscription with every choice made. */
export interface Subscription {
  readonly name: string
  readonly scope: HoldScope
  /** The scope of its identities. */
  readonly identityScope: string
  readonly topic: string
  readonly handlers: ReadonlyMap<string, Handler>
  readonly ordered: boolean
  readonly concurrency: number
  readonly timeoutMs: number
  readonly retry: RetryPolicy
  readonly onDead: 'park' | 'continue' | 'stop'
}

export interface SubscriptionSetting {
  readonly group: string
  readonly contract: Contract | undefined
  /** Whether a delayed attempt has somewhere to wait. */
  readonly canDelay: (ordered: boolean) => boolean
  readonly canHold: boolean
}

const optionNames = ['name', 'order', 'concurrency', 'timeoutMs', 'retry', 'onDead']

export function resolveSubscription(request: SubscriptionRequest, setting: SubscriptionSetting): Subscription {
  const { handlers, options } = request
  const name = subscriptionName(request)
  const path = `subscription '${name}'`
  checkOptions(path, options)
  const ordered =
    options.order === undefined ? isOrderedByContract(handlers, setting.contract) : options.order === 'key'
  const onDead = options.onDead ?? (ordered && setting.canHold ? 'park' : 'continue')
  if (onDead === 'park' && !ordered) {
    throw new MekongError('INVALID_CONFIGURATION', `${path}: onDead 'park' needs order by key; use 'continue'`)
  }
  return {
    name,
    scope: { group: setting.group, subscription: name },
    identityScope: `${setting.group}/${name}`,
    topic: commonTopic(path, [...handlers.keys()], setting.contract),
    handlers,
    ordered,
    concurrency: options.concurrency ?? 16,
    timeoutMs: options.timeoutMs ?? 30_000,
    retry: resolveRetryPolicy(`${path}: retry`, options.retry, setting.canDelay(ordered)),
    onDead,
  }
}

export function subscriptionName(request: SubscriptionRequest): string {
  return request.options.name ?? [...request.handlers.keys()].toSorted().join('+')
}

export function topicOf(type: string, contract: Contract | undefined): string {
  return definitionOf(type, contract)?.topic ?? type
}

export function definitionOf(type: string, contract: Contract | undefined): Contract[string] | undefined {
  return contract !== undefined && Object.hasOwn(contract, type) ? contract[type] : undefined
}

function checkOptions(path: string, options: SubscriptionOptions): void {
  for (const name of Object.keys(options)) {
    if (optionNames.includes(name)) continue
    throw new MekongError(
      'INVALID_CONFIGURATION',
      `${path}: ${name} is not an option; the options are ${optionNames.join(', ')}`,
    )
  }
  if (options.name !== undefined && !/^[\w.+:-]{1,200}$/.test(options.name)) {
    throw new MekongError('INVALID_CONFIGURATION', `${path}: a name has 1 to 200 letters, digits, and . _ + : -`)
  }
  requireOneOf(`${path}: order`, options.order, ['key', 'none'])
  requireOneOf(`${path}: onDead`, options.onDead, ['park', 'continue', 'stop'])
  if (options.concurrency !== undefined) requirePositiveInteger(`${path}: concurrency`, options.concurrency)
  if (options.timeoutMs !== undefined) requirePositiveInteger(`${path}: timeoutMs`, options.timeoutMs)
}

export function requireOneOf(path: string, value: unknown, allowed: readonly string[]): void {
  if (value === undefined || allowed.includes(value as string)) return
  throw new MekongError(
    'INVALID_CONFIGURATION',
    `${path} must be one of ${allowed.map(one => `'${one}'`).join(', ')}, not ${JSON.stringify(value)}`,
  )
}

/** Without a contract an event that carries a key is kept in its order. */
function isOrderedByContract(handlers: ReadonlyMap<string, Handler>, contract: Contract | undefined): boolean {
  if (contract === undefined) return true
  return [...handlers.keys()].some(type => definitionOf(type, contract)?.key !== undefined)
}

function commonTopic(path: string, types: readonly string[], contract: Contract | undefined): string {
  const topics = new Set(types.map(type => topicOf(type, contract)))
  const [topic, ...others] = topics
  if (topic === undefined) throw new MekongError('INVALID_CONFIGURATION', `${path} handles no event type`)
  if (others.length === 0) return topic
  throw new MekongError(
    'INVALID_CONFIGURATION',
    `${path} handles types of several topics (${[...topics].join(', ')}), between which there is no order: ` +
      'give the types one topic in the contract, or subscribe to each alone',
  )
}
