import { requireOneOf } from '../consume/subscription.ts'
import type { Contract } from '../contract.ts'
import { MekongError } from '../error.ts'
import type { EventBusOptions } from '../event-bus-options.ts'

/** What `broker` is called among the routes. */
export const defaultRoute = 'default'

const optionNames: readonly (keyof EventBusOptions)[] = [
  'service',
  'contract',
  'broker',
  'drivers',
  'routes',
  'idempotency',
  'hold',
  'schedule',
  'isolation',
  'middleware',
  'topology',
  'topics',
  'from',
  'replay',
  'publish',
  'consume',
  'observe',
  'clock',
  'random',
]

/**
 * What can be said of the options before a broker is opened.
 * @throws MekongError INVALID_CONFIGURATION with the option's path and what is allowed
 */
export function checkBusOptions(options: EventBusOptions<Contract>): void {
  for (const name of Object.keys(options)) {
    if ((optionNames as readonly string[]).includes(name)) continue
    throw invalid(`${name} is not an option; the options are ${optionNames.join(', ')}`)
  }
  requireName('service', options.service)
  requireBroker('broker', options.broker)
  requireOneOf('isolation', options.isolation, ['store', 'best-effort'])
  requireOneOf('topology', options.topology, ['create', 'verify', 'skip'])
  if (options.from !== undefined) requireStart('from', options.from)
  if (options.replay !== undefined) {
    requireName('replay.run', options.replay.run)
    requireStart('replay.from', options.replay.from)
  }
  checkRoutes(options)
}

function checkRoutes({ routes = {} }: EventBusOptions<Contract>): void {
  const routed = new Map<string, string>()
  for (const [name, { broker, topics }] of Object.entries(routes)) {
    if (name === defaultRoute) throw invalid(`routes.${name}: this name is the bus's own`)
    requireBroker(`routes.${name}.broker`, broker)
    if (!Array.isArray(topics)) throw invalid(`routes.${name}.topics must be a list of topic names`)
    for (const topic of topics) {
      const other = routed.get(topic)
      if (other !== undefined) throw invalid(`routes.${name}.topics: '${topic}' is on route '${other}' already`)
      routed.set(topic, name)
    }
  }
}

function requireName(path: string, name: unknown): void {
  if (typeof name === 'string' && /^[\w.-]{1,100}$/.test(name)) return
  throw invalid(`${path} must be 1 to 100 letters, digits, and . _ -`)
}

function requireBroker(path: string, broker: unknown): void {
  if (broker === undefined || broker === null || broker === '') {
    throw invalid(`${path} is missing: a URL such as memory: or kafka://host:9092, or a driver`)
  }
  if (typeof broker !== 'object' || broker instanceof URL || 'capabilities' in broker) return
  throw invalid(`${path} must be a URL or a driver; an object without capabilities is neither`)
}

function requireStart(path: string, from: unknown): void {
  if (from === 'latest' || from === 'earliest') return
  if (typeof from === 'object' && from !== null && 'time' in from && Number.isFinite(from.time)) return
  throw invalid(`${path} must be 'latest', 'earliest', or { time: milliseconds since the epoch }`)
}

function invalid(message: string): MekongError {
  return new MekongError('INVALID_CONFIGURATION', message)
}
