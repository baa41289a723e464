import { describe, expect, it } from 'vitest'
import { only, type Suite, type SuiteContender } from '../src/suite.ts'

const contenders: readonly SuiteContender[] = [
  { module: 'kafka/kafkajs', against: 'kafka/kafkajs' },
  { module: 'kafka/other', against: 'kafka/kafkajs' },
  { module: 'kafka/platformatic', against: 'kafka/kafkajs' },
  { module: 'kafka/mekong-platformatic', against: 'kafka/platformatic' },
]
const suite: Suite = {
  name: 'kafka',
  start: () => Promise.reject(new Error('nobody starts it')),
  measures: (['publish', 'consume'] as const).map(measure => ({ measure, title: measure, messages: 10, contenders })),
}

describe('only', () => {
  it('keeps all when nothing is asked for', () => {
    expect(only(suite, {})).toEqual(suite)
  })

  it('keeps one measure', () => {
    expect(only(suite, { measure: 'consume' }).measures.map(({ measure }) => measure)).toEqual(['consume'])
  })

  it('keeps a contender with whom it is held against, and whom that is held against', () => {
    const [first] = only(suite, { only: 'mekong' }).measures
    const modules = first?.contenders.map(({ module }) => module)
    expect(modules).toEqual(['kafka/kafkajs', 'kafka/platformatic', 'kafka/mekong-platformatic'])
  })

  it('refuses what is not there', () => {
    expect(() => only(suite, { only: 'nobody' })).toThrow(RangeError)
  })
})
