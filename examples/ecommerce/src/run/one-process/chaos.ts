import type { Driver, Middleware } from '@mekong/core'
import { createMemoryBroker } from '@mekong/core/memory'
import type { ServiceName } from '../../platform/open-service.ts'
import { serviceNames } from '../../shop-services.ts'
import { fraction, randomFrom } from '../seeded.ts'

/** Everything that goes wrong on purpose in one process; what is random follows from the seed. */
export interface Chaos {
  readonly openBroker: () => Driver
  readonly middleware: Middleware
  /** How long until the next service is cut off, and which; undefined: that was enough. */
  nextRestart(): { readonly afterMs: number; readonly service: ServiceName } | undefined
  /** What made some events fail at every attempt is mended: after a redrive they pass. */
  mend(): void
}

const failBefore = 0.03
const failAfter = 0.02
const stubborn = 0.004
const maxRestarts = 12

export function createChaos(seed: number): Chaos {
  const random = randomFrom(seed)
  const broker = createMemoryBroker({ hostility: { seed, duplicate: 0.05, lost: 0.01, shuffle: true } })
  let isMended = false
  let restarts = 0
  return {
    openBroker: () => broker.driver(),
    middleware: {
      async handle(_event, context, next) {
        if (!isMended && fraction(seed, context.identity.event) < stubborn)
          throw new Error('chaos: this event always fails')
        if (random() < failBefore) throw new Error('chaos: failed before the handler')
        await next()
        // The effect is committed by now: only the inbox keeps the next attempt from doing it again.
        if (random() < failAfter) throw new Error('chaos: failed after the handler')
      },
    },
    nextRestart() {
      if (restarts++ === maxRestarts) return undefined
      return {
        afterMs: 300 + 900 * random(),
        service: serviceNames[Math.floor(random() * serviceNames.length)] ?? 'order',
      }
    },
    mend: () => {
      isMended = true
    },
  }
}
