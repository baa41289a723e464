import { deadLetterTopic } from '../consume/dead-letters.ts'
import { canRedeliver } from '../consume/redelivery.ts'
import { hasDelayedAttempts } from '../consume/retry-policy.ts'
import type { Subscription } from '../consume/subscription.ts'
import type { Driver } from '../driver/driver-contract.ts'
import { MekongError } from '../error.ts'
import type { ConsumeTuning } from '../event-bus-options.ts'
import type { HoldStore } from '../hold/hold-store.ts'
import type { IdempotencyStore } from '../idempotency/idempotency-store.ts'

export interface StartCheck {
  readonly driver: Driver
  readonly subscriptions: readonly Subscription[]
  readonly hold: HoldStore | undefined
  readonly idempotency: IdempotencyStore
  readonly isolation: 'store' | 'best-effort'
  readonly isReplay: boolean
  readonly tuning: ConsumeTuning
}

/**
 * Holds what the application asks for against what the broker can do, before anything is consumed.
 * @throws MekongError CAPABILITY_MISSING naming the capability and the remedy, INVALID_CONFIGURATION
 */
export function checkStart(check: StartCheck): void {
  const { driver, hold, isReplay } = check
  if (hold !== undefined && driver.capabilities.durable && !hold.durable) {
    throw missing(
      driver,
      'a hold store in memory would lose events that the broker keeps',
      'pass a durable one as `hold`',
    )
  }
  if (isReplay && driver.capabilities.replay === 'none') {
    throw missing(driver, 'it cannot replay', 'replay from a broker that keeps its log')
  }
  for (const subscription of check.subscriptions) checkSubscription(subscription, check)
  checkIsolation(check)
}

function checkSubscription(subscription: Subscription, { driver, hold, tuning, idempotency }: StartCheck): void {
  const { capabilities } = driver
  const name = `subscription '${subscription.name}'`
  checkTopicName(driver, subscription.topic)
  if (hold === undefined)
    checkTopicName(driver, deadLetterTopic(subscription.topic, subscription.scope.group, capabilities))
  if (subscription.ordered && capabilities.affinity === 'none') {
    throw missing(
      driver,
      `it keeps no order by key, which ${name} asks for`,
      "say order: 'none', or use another broker",
    )
  }
  if (subscription.onDead === 'park' && hold === undefined) {
    throw missing(driver, `${name} parks keys (onDead: 'park') and there is no hold store`, 'pass one as `hold`')
  }
  const { retry } = subscription
  const canWait = hold !== undefined || canRedeliver(capabilities, retry.maxDelayMs, subscription.ordered)
  if (hasDelayedAttempts(retry) && !canWait) {
    throw missing(
      driver,
      `${name} has delayed attempts (retry.maxAttempts ${retry.maxAttempts}, retry.immediate ${retry.immediate}), ` +
        `it cannot redeliver ${subscription.ordered ? 'a keyed message ' : ''}after ${retry.maxDelayMs} ms, and there is no hold store`,
      'pass one as `hold`, or make every attempt immediate',
    )
  }
  const longestMs = subscription.timeoutMs + tuning.abortGraceMs
  if (longestMs > capabilities.maxUnsettledMs) {
    throw missing(
      driver,
      `${name}: timeoutMs ${subscription.timeoutMs} is longer than a message may stay unsettled (${capabilities.maxUnsettledMs} ms)`,
      'shorten it',
    )
  }
  if (idempotency.retentionMs < retry.maxDelayMs) {
    throw new MekongError(
      'INVALID_CONFIGURATION',
      `idempotency: its retention (${idempotency.retentionMs} ms) is shorter than ${name}: retry.maxDelayMs (${retry.maxDelayMs})`,
    )
  }
}

export function checkTopicName(driver: Driver, topic: string): void {
  if (driver.capabilities.topicName.test(topic)) return
  throw new MekongError(
    'INVALID_CONFIGURATION',
    `topic '${topic}' is no name for ${driver.name}: it must match ${String(driver.capabilities.topicName)}`,
  )
}

/** After a crash a delivery comes again to all subscriptions on it: who was done must be known then. */
function checkIsolation({ driver, subscriptions, idempotency, isolation }: StartCheck): void {
  if (isolation === 'best-effort' || idempotency.durable || !driver.capabilities.durable) return
  const byTopic = new Map<string, string>()
  for (const { topic, name } of subscriptions) {
    const other = byTopic.get(topic)
    if (other !== undefined) {
      throw missing(
        driver,
        `subscriptions '${other}' and '${name}' share topic '${topic}', and what is handled is remembered in memory only`,
        "pass a durable store as `idempotency`, or accept repeated runs with isolation: 'best-effort'",
      )
    }
    byTopic.set(topic, name)
  }
}

function missing(driver: Driver, what: string, remedy: string): MekongError {
  return new MekongError('CAPABILITY_MISSING', `${driver.name}: ${what}; ${remedy}`)
}
