import type { Outgoing } from '@mekong/core/driver'
import { delayName } from '../broker-names.ts'
import { bucketCount, bucketOf, routingKeys } from '../buckets.ts'
import { delayLevels } from '../delay/delay-levels.ts'

/** Everything delayed enters here and falls through to the first level it waits at. */
export const delayEntry: string = delayName(delayLevels - 1)

/** Where one message goes. */
export interface Address {
  readonly exchange: string
  readonly routingKey: string
}

/** Where messages go: to the exchange of their topic, by the bucket of their key. */
export class Addressing {
  readonly #keysOfTopics = new Map<string, readonly string[]>()
  #turn = 0

  /** Messages without a key go round. */
  addressOf({ topic, key, delayMs }: Outgoing): Address {
    const bucket = key === undefined ? this.#turn++ % bucketCount : bucketOf(key)
    return { exchange: delayMs > 0 ? delayEntry : topic, routingKey: this.#keysOf(topic)[bucket]! }
  }

  #keysOf(topic: string): readonly string[] {
    let keys = this.#keysOfTopics.get(topic)
    if (keys === undefined) this.#keysOfTopics.set(topic, (keys = routingKeys(topic)))
    return keys
  }
}
