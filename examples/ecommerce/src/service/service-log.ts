import { isMekongError, type Signal } from '@mekong/core'
import { messageOf } from '@mekong/core/driver'
import { type Logger, pino } from 'pino'
import type { ServiceName } from '../platform/open-service.ts'
import type { ServiceSettings } from './service-settings.ts'

/** Lines of JSON on standard output; each is written before the call returns, so that none is lost with the process. */
export function serviceLog(service: ServiceName, { logLevel }: Pick<ServiceSettings, 'logLevel'>): Logger {
  return pino(
    {
      level: logLevel,
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
    },
    pino.destination({ dest: 1, sync: true }),
  )
}

/** What is said of an error: nothing that may hold a payload, as the fields that some clients add to theirs do. */
export function described(error: unknown): { readonly error: string; readonly code?: string } {
  return isMekongError(error) ? { error: messageOf(error), code: error.code } : { error: messageOf(error) }
}

/** Writes down what goes wrong in the bus, and what it takes over or gives away; single events only where one fails. */
export function logSignal(log: Logger, signal: Signal): void {
  switch (signal.is) {
    case 'notice':
      return log.info(signal.message)
    case 'assigned':
    case 'revoked':
      return log.debug({ topic: signal.topic, partition: signal.partition }, `partition ${signal.is}`)
    case 'publish-retried':
      return log.warn(
        { topic: signal.topic, events: signal.events, ...described(signal.error) },
        'publish is tried again',
      )
    case 'publish-failed':
      return log.error({ type: signal.type, id: signal.id, ...described(signal.error) }, 'publish failed')
    case 'attempt-failed':
      return log.warn(
        { ...named(signal), attempt: signal.attempt, next: signal.next, ...described(signal.error) },
        'attempt failed',
      )
    case 'held':
      return log[signal.state === 'dead' ? 'error' : 'info'](
        { ...named(signal), state: signal.state, reason: signal.reason },
        'event held',
      )
    case 'consumer':
      return signal.status.is === 'running'
        ? log.info({ broker: signal.driver }, 'consumer runs')
        : log.warn({ broker: signal.driver, ...described(signal.status.error) }, `consumer ${signal.status.is}`)
    case 'store-unavailable':
      return log.warn({ store: signal.store, ...described(signal.error) }, 'store is out of reach')
    case 'stalled':
      return log.error({ topic: signal.topic, partition: signal.partition, lag: signal.lag }, 'consumer stalled')
    default:
      return undefined
  }
}

function named({ subscription, type, id }: { subscription: string; type: string; id: string }): object {
  return { subscription, type, id }
}
