import { describe, expect, it } from 'vitest'
import { checkInvariants, type Invariant } from '../../src/run/invariants.ts'
import type { Ledgers } from '../../src/run/ledgers.ts'
import { inputOrders, soundLedgers } from '../support/ledgers.ts'

async function check(ledgers: Ledgers): Promise<readonly Invariant[]> {
  async function* input(): AsyncGenerator<ReturnType<typeof inputOrders>[number]> {
    yield* inputOrders()
  }
  return checkInvariants(ledgers, input())
}

type Doctor = (sound: Ledgers) => Partial<Ledgers>

const first = <T>(rows: readonly T[], change: Partial<T>): readonly T[] =>
  rows.map((row, index) => (index === 0 ? { ...row, ...change } : row))

describe('checkInvariants', () => {
  it('finds nothing wrong with ledgers that are sound', async () => {
    const invariants = await check(soundLedgers())
    expect(invariants.map(({ holds }) => holds)).toEqual([true, true, true, true, true])
    expect(invariants.map(({ detail }) => detail).join('; ')).toContain('charged £10.00, refunded £2.50')
  })

  it.each<[string, string, RegExp, Doctor]>([
    [
      'an order that is open',
      'every order ended',
      /1 is open/,
      ({ orders }) => ({ orders: first(orders, { status: 'open' }) }),
    ],
    ['an order that was lost', 'every order ended', /3 of 4/, ({ orders }) => ({ orders: orders.slice(1) })],
    ['a total that is another', 'totals', /1/, ({ orders }) => ({ orders: first(orders, { total_pence: 1001 }) })],
    [
      'a charge a penny off',
      'money',
      /charge of 1/,
      ({ payments }) => ({ payments: first(payments, { amount_pence: 999 }) }),
    ],
    ['a sale that nobody paid', 'money', /charge of 1/, ({ payments }) => ({ payments: payments.slice(1) })],
    [
      'a charge that came twice',
      'money',
      /charge of 1/,
      ({ payments }) => ({ payments: [...payments, ...payments.slice(0, 1)] }),
    ],
    [
      'a charge for what was cancelled',
      'money',
      /charge of 3/,
      ({ payments }) => ({ payments: first(payments, { order_id: '3', amount_pence: 700_000 }) }),
    ],
    [
      'a return that was charged',
      'money',
      /charge of C4/,
      ({ payments }) => ({ payments: payments.map(row => ({ ...row, kind: 'charge' })) }),
    ],
    ['units that stay reserved', 'stock', /a/, ({ stock }) => ({ stock: first(stock, { reserved: 1 }) })],
    ['a unit too many', 'stock', /a/, ({ stock }) => ({ stock: first(stock, { on_hand: 42 }) })],
    ['a product that was lost', 'stock', /a/, ({ stock }) => ({ stock: stock.slice(1) })],
    ['an email that was not sent', 'one email', /1/, ({ emails }) => ({ emails: emails.slice(1) })],
    ['an email that came twice', 'one email', /1/, ({ emails }) => ({ emails: [...emails, ...emails.slice(0, 1)] })],
    [
      'an email of another outcome',
      'one email',
      /1/,
      ({ emails }) => ({ emails: first(emails, { kind: 'cancelled' }) }),
    ],
    [
      'an email for no order',
      'one email',
      /5 emails for 4/,
      ({ emails }) => ({ emails: [...emails, ...first(emails, { orderId: '9' }).slice(0, 1)] }),
    ],
  ])('finds %s', async (_what, name, detail, doctor) => {
    const sound = soundLedgers()
    const invariants = await check({ ...sound, ...doctor(sound) })
    const broken = invariants.find(invariant => invariant.name.startsWith(name))
    expect(broken).toMatchObject({ holds: false, detail: expect.stringMatching(detail) })
  })
})
