import { expect, it } from 'vitest'
import { isSupported } from './node-runtime.mjs'

it.each([
  ['20.19.0', false],
  ['22.22.0', false],
  ['24.10.0', false],
  ['24.11.0', true],
  ['24.21.0', true],
  ['25.2.0', false],
  ['26.0.0', true],
])('says of Node %s whether the tools run on it: %s', (version, supported) => {
  expect(isSupported(version)).toBe(supported)
})
