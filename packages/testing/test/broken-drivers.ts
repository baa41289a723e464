import type { Consumer, Driver, HeaderView, Incoming, Outgoing, Settlement, Sink } from '@mekong/core/driver'

/** What a driver does wrong: any of its parts replaced, the rest as it was. */
interface Defect {
  readonly driver?: (driver: Driver) => Partial<Driver>
  readonly consumer?: (consumer: Consumer) => Partial<Consumer>
  readonly sink?: (sink: Sink, settle: (batch: readonly Incoming[], settlement: Settlement) => void) => Partial<Sink>
}

export function broken(driver: Driver, defect: Defect): Driver {
  const subscribe: Driver['subscribe'] = async (options, sink) => {
    let consumer: Consumer | undefined
    const settle = (batch: readonly Incoming[], settlement: Settlement): void => consumer?.settle(batch, settlement)
    consumer = await driver.subscribe(options, partly(sink, defect.sink?.(sink, settle)))
    return partly(consumer, defect.consumer?.(consumer))
  }
  return partly(driver, { subscribe, ...defect.driver?.(driver) })
}

function partly<Whole extends object>(whole: Whole, parts: Partial<Whole> = {}): Whole {
  return new Proxy(whole, {
    get(target, name) {
      if (Object.hasOwn(parts, name)) return Reflect.get(parts, name)
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

export function withPublish(change: (batch: readonly Outgoing[]) => readonly Outgoing[]): Defect {
  return {
    driver: driver => ({
      publish: async (batch, timeoutMs) => {
        await driver.publish(change(batch), timeoutMs)
        return batch.map(() => ({ is: 'stored' as const }))
      },
    }),
  }
}

export function withMessages(change: (batch: readonly Incoming[]) => readonly Incoming[]): Defect {
  return { sink: sink => ({ messages: batch => sink.messages(change(batch)) }) }
}

export function withSettlement(change: (settlement: Settlement) => Settlement | undefined): Defect {
  return {
    consumer: consumer => ({
      settle: (batch, settlement) => {
        const changed = change(settlement)
        if (changed !== undefined) consumer.settle(batch, changed)
      },
    }),
  }
}

export function without(headers: HeaderView, name: string): HeaderView {
  return {
    get: wanted => (wanted === name ? undefined : headers.get(wanted)),
    entries: () => [...headers.entries()].filter(([header]) => header !== name),
  }
}

/** A message with other headers or another body; it must still be known by the one that came. */
export function changed(message: Incoming, fields: Partial<Incoming>): Incoming {
  return partly(message, fields)
}
