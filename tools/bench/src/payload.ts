import { z } from 'zod'

/** The event of all contenders: about 1 KB as JSON. */
export interface Payload {
  readonly id: string
  readonly key: string
  readonly total: number
  readonly note: string
}

/** For those that check what they publish and handle. */
export const payloadSchema = z.object({ id: z.string(), key: z.string(), total: z.number(), note: z.string() })

const keys = 1000
const note = 'x'.repeat(950)

/** Made anew for each publish, as an application does. */
export function payload(index: number): Payload {
  return { id: `order-${index}`, key: `key-${index % keys}`, total: index, note }
}

/** What travels beside the data, as every contender's headers: the CloudEvents attributes that Mekong sends by itself. */
export function attributes({ id, key }: Payload, type: string, prefix: string): Record<string, string> {
  return {
    [`${prefix}specversion`]: '1.0',
    [`${prefix}id`]: id,
    [`${prefix}source`]: 'order',
    [`${prefix}type`]: type,
    [`${prefix}time`]: new Date().toISOString(),
    [`${prefix}schemaversion`]: '1',
    [`${prefix}correlationid`]: id,
    [`${prefix}partitionkey`]: key,
  }
}
