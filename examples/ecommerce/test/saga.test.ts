import { assertSaga, exploreSaga, sagaMermaid } from '@mekong/saga'
import { describe, expect, it } from 'vitest'
import { contract } from '../src/contract.ts'
import { orderSaga } from '../src/saga.ts'
import { serviceNames } from '../src/shop-services.ts'

describe('the saga of the shop', () => {
  it('has nothing to be found wrong with it', () => {
    expect(() => assertSaga(orderSaga)).not.toThrow()
  })

  it('ends completed or compensated, in every order and with every failure', () => {
    const exploration = exploreSaga(orderSaga)
    expect(exploration).toMatchObject({
      is: 'proved',
      ends: expect.arrayContaining(['completed', 'rejected', 'cancelled', 'refunded']),
    })
  })

  it('uses every event of the contract, and every service', () => {
    const picture = sagaMermaid(orderSaga)
    for (const type of Object.keys(contract)) expect(picture).toContain(`"${type}"`)
    for (const service of serviceNames) expect(picture).toContain(`["${service}"]`)
  })

  it('is drawn like this', async () => {
    await expect(sagaMermaid(orderSaga)).toMatchFileSnapshot('saga.mmd')
  })
})
