// Stores and handles nothing: what the broker has is the test's business.
import type { Contender } from '../../src/contender.ts'

const prepared = { run: () => Promise.resolve(), close: () => Promise.resolve() }

export const contender: Contender = {
  name: 'counting 1.0',
  measures: { publish: () => Promise.resolve(prepared), consume: () => Promise.resolve(prepared) },
}
