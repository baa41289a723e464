import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { killPlan, type PlannedKill } from '../../src/processes/kill-plan.ts'

const victims = ['kafka', 'redis', 'postgres', 'order', 'inventory', 'payment', 'email']

function times(plan: readonly PlannedKill[]): readonly number[] {
  return victims.map(name => plan.filter(({ victim }) => victim === name).length)
}

describe('a kill plan', () => {
  it('is the same for the same seed, and another for another', () => {
    const plan = killPlan({ seed: 7, victims, orders: 970 })
    expect(killPlan({ seed: 7, victims, orders: 970 })).toEqual(plan)
    expect(killPlan({ seed: 8, victims, orders: 970 })).not.toEqual(plan)
  })

  it('kills each victim once in a short run, and more often in a long one', () => {
    expect(times(killPlan({ seed: 1, victims, orders: 60 }))).toEqual(victims.map(() => 1))
    expect(times(killPlan({ seed: 1, victims, orders: 300 }))).toEqual(victims.map(() => 2))
    expect(times(killPlan({ seed: 1, victims, orders: 970 }))).toEqual(victims.map(() => 5))
    expect(times(killPlan({ seed: 1, victims, orders: 1_000_000 }))).toEqual(victims.map(() => 5))
    expect(killPlan({ seed: 1, victims, orders: 0 })).toEqual([])
  })

  it('strikes while there are orders to place, spread over all of them, in order', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 5000 }), (seed, orders) => {
        const plan = killPlan({ seed, victims, orders })
        const at = plan.map(({ afterOrders }) => afterOrders)
        expect(at).toEqual(at.toSorted((a, b) => a - b))
        expect(at[0]).toBeGreaterThanOrEqual(0)
        expect(at[0]).toBeLessThanOrEqual(orders / plan.length)
        expect(at.at(-1)).toBeLessThan(orders)
        expect(at.at(-1)).toBeGreaterThan(orders * (1 - 1 / plan.length) - 1)
        for (const { afterMs, awayMs } of plan) {
          expect(afterMs).toBeLessThanOrEqual(300)
          expect(awayMs).toBeLessThanOrEqual(1500)
        }
      }),
    )
  })
})
