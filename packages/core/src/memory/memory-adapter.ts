import type { BrokerUrl } from '../driver/broker-url.ts'
import type { Adapter, Driver } from '../driver/driver-contract.ts'
import { MekongError } from '../error.ts'
import { createMemoryBroker, type MemoryBroker } from './memory-broker.ts'
import { parseMemoryUrl, type MemoryBrokerOptions } from './memory-broker-options.ts'

interface NamedBroker {
  readonly broker: MemoryBroker
  readonly options: MemoryBrokerOptions
}

/** Found by symbol, so that the ESM and the CommonJS copy of this package share the brokers of the process. */
const registryName = Symbol.for('mekong.memory-brokers')

/**
 * Opens `memory:`, `memory://name` and `memory://name?partitions=4`. One name is one broker in the process; it stays when
 * its buses close, so that a service may restart, until `forgetMemoryBroker`.
 */
export const adapter: Adapter = {
  schemes: ['memory'],
  async open(url: BrokerUrl): Promise<Driver> {
    const { name, options } = parseMemoryUrl(url)
    const found = registry().get(name)
    if (found === undefined) {
      const broker = createMemoryBroker(options)
      registry().set(name, { broker, options })
      return broker.driver()
    }
    refuseOtherOptions(name, found.options, options)
    return found.broker.driver()
  },
}

/** Drops the broker that `memory://name` opens, with all that it keeps; the next URL of that name makes a new one. */
export function forgetMemoryBroker(name = 'default'): void {
  registry().delete(name)
}

function refuseOtherOptions(name: string, has: MemoryBrokerOptions, wished: MemoryBrokerOptions): void {
  for (const option of Object.keys(wished) as (keyof MemoryBrokerOptions)[]) {
    if (has[option] === wished[option]) continue
    throw new MekongError(
      'INVALID_CONFIGURATION',
      `broker URL: memory broker '${name}' exists already, with another ${option}; the first URL of a name decides`,
    )
  }
}

function registry(): Map<string, NamedBroker> {
  const holder = globalThis as { [registryName]?: Map<string, NamedBroker> }
  return (holder[registryName] ??= new Map())
}
