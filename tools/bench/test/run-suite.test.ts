import { describe, expect, it } from 'vitest'
import type { Work } from '../src/contender.ts'
import { runSuite } from '../src/run-suite.ts'
import type { Suite, SuiteBroker, SuiteMeasure } from '../src/suite.ts'

const module = '../test/contenders/counting'
const options = { rounds: 1, scale: 0.5, tell: () => undefined }

function suiteOf(measure: Pick<SuiteMeasure, 'measure' | 'filledBy'>): Suite {
  const contenders = [{ module, against: module }]
  const one = { title: measure.measure, messages: 8, contenders, ...measure }
  return { name: 'test', start: () => Promise.reject(new Error('nobody starts it')), measures: [one] }
}

/** Has left what the test says, in turn, and tells which topics it was asked for. */
function brokerWith(...counts: readonly number[]): SuiteBroker & { readonly dropped: Work[] } {
  const left = [...counts]
  const dropped: Work[] = []
  return {
    url: 'test://broker',
    name: 'Broker 1.0',
    maxUnsettled: 1,
    dropped,
    stored: () => Promise.resolve(left.shift() ?? Number.NaN),
    left: () => Promise.resolve(left.shift() ?? Number.NaN),
    drop: work => Promise.resolve(void dropped.push(work)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

describe('runSuite', () => {
  it('measures each round in a process of its own, after one that warms up', async () => {
    const broker = brokerWith(1, 4)
    const [run] = await runSuite(suiteOf({ measure: 'publish' }), broker, options)
    expect(run?.rounds.map(round => round.get(module)?.messages)).toEqual([4])
    expect(run?.rounds[0]?.get(module)?.name).toBe('counting 1.0')
    expect(broker.dropped.map(({ messages }) => messages)).toEqual([1, 4])
    expect(new Set(broker.dropped.map(({ topic }) => topic)).size).toBe(2)
  })

  it('fails when the broker has not stored every message once', async () => {
    await expect(runSuite(suiteOf({ measure: 'publish' }), brokerWith(1, 5), options)).rejects.toThrow(
      'the broker stored 5 messages, not 4',
    )
  })

  it('fails when messages are left that were handled', async () => {
    const filledOnce = suiteOf({ measure: 'consume', filledBy: module })
    await expect(runSuite(filledOnce, brokerWith(4, 1, 2), options)).rejects.toThrow('2 messages are left')
  })
})
