import { defineContract } from '@mekong/core'
import { z } from 'zod'

const nothing = { schema: z.object({}) }

/** Events named by a letter, for sagas whose shape is all that matters. */
export const flat = defineContract({
  a: nothing,
  b: nothing,
  c: nothing,
  d: nothing,
  e: nothing,
  f: nothing,
  g: nothing,
})
