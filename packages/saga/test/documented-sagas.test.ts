import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { all, any, checkSaga, compensated, defineSaga, exploreSaga, sagaMermaid } from '../src/index.ts'
import { contract } from './order-saga.ts'

const page = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

/** What a page says between two lines of a block of code. */
function declaredOn(path: string): string {
  return page(path).split('defineSaga(contract, {').at(1)?.split('\n})').at(0) ?? ''
}

/** Evaluating a page would need its imports; so the declaration stands here too, and must be the same text. */
function sourceOf(declaration: string): string {
  const source = readFileSync(new URL(import.meta.url), 'utf8')
  const text = source.split(`const ${declaration} = defineSaga(contract, {`).at(1)?.split('\n})').at(0)
  return text ?? 'not found'
}

const readmeSaga = defineSaga(contract, {
  name: 'order',
  starts: 'order.created',
  correlate: event => event.orderId,
  steps: {
    reserve: { service: 'inventory', on: 'order.created', emits: 'stock.reserved' },
    charge: { service: 'payment', on: 'stock.reserved', emits: 'payment.charged', fails: 'payment.declined' },
    complete: { service: 'order', on: 'payment.charged', emits: 'order.completed' },

    release: { service: 'inventory', on: 'payment.declined', emits: 'stock.released', compensates: 'reserve' },
    cancel: { service: 'order', on: 'stock.released', emits: 'order.cancelled' },
  },
  ends: { completed: 'order.completed', cancelled: compensated('order.cancelled') },
})

const guideSaga = defineSaga(contract, {
  name: 'order',
  starts: 'order.created',
  correlate: event => event.orderId,
  steps: {
    reserve: { service: 'inventory', on: 'order.created', emits: 'stock.reserved', fails: 'stock.rejected' },
    charge: { service: 'payment', on: 'stock.reserved', emits: 'payment.charged', fails: 'payment.declined' },
    complete: {
      service: 'order',
      on: 'payment.charged',
      emits: 'order.completed',
      timeout: { afterMs: 15 * 60_000, since: 'order.created', emits: 'order.cancelled' },
    },

    cancel: { service: 'order', on: any('stock.rejected', 'payment.declined'), emits: 'order.cancelled' },
    release: { service: 'inventory', on: all('stock.reserved', 'order.cancelled'), compensates: 'reserve' },
    refund: { service: 'payment', on: all('payment.charged', 'order.cancelled'), compensates: 'charge' },

    notify: { service: 'email', on: any('order.completed', 'order.cancelled') },
  },
  ends: { completed: 'order.completed', cancelled: compensated('order.cancelled') },
})

describe('the saga of the README', () => {
  it('is this one', () => expect(sourceOf('readmeSaga')).toBe(declaredOn('packages/saga/README.md')))

  it('works, and is explored as it says', () => {
    expect(checkSaga(readmeSaga)).toEqual([])
    const said = /exploreSaga\(orderSaga\) \/\/ (?<answer>.*)/.exec(page('packages/saga/README.md'))?.groups?.['answer']
    const { is, states, ...rest } = exploreSaga(readmeSaga)
    expect(said).toBe(`{ is: '${is}', states: ${states}, ends: ['completed', 'cancelled'] }`)
    expect(rest).toEqual({ ends: ['completed', 'cancelled'] })
    expect(sagaMermaid(readmeSaga)).toMatch(/^flowchart LR\n/)
  })
})

describe('the saga of the guide', () => {
  it('is this one', () => expect(sourceOf('guideSaga')).toBe(declaredOn('docs/guides/saga.md')))

  it('works, and every run of it ends', () => {
    expect(checkSaga(guideSaga)).toEqual([])
    expect(exploreSaga(guideSaga)).toMatchObject({ is: 'proved', ends: ['completed', 'cancelled'] })
  })

  it('is refuted with the path that the guide shows when its release waits for one event alone', () => {
    const release = { ...guideSaga.steps.release, on: 'order.cancelled' } as const
    const found = exploreSaga({ ...guideSaga, steps: { ...guideSaga.steps, release } })
    const shown = page('docs/guides/saga.md').split('```text\n').at(1)?.split('\n```').at(0)?.split('\n') ?? []
    const lines = found.is === 'refuted' ? found.lines : []
    expect([...lines.slice(0, 5), '…', lines.at(-1)]).toEqual(shown)
  })
})
