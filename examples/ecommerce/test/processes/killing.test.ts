import { describe, expect, it } from 'vitest'
import { killing, type Victim } from '../../src/processes/killing.ts'
import type { Trouble } from '../../src/run/stage.ts'

/** A victim whose every step waits for the test. */
class TestVictim implements Victim {
  killed = 0
  #isKilled = Promise.withResolvers<void>()
  #isBack = Promise.withResolvers<void>()

  kill(): Promise<void> {
    this.killed++
    this.#isKilled.resolve()
    return Promise.resolve()
  }

  comeBack(): Promise<void> {
    return this.#isBack.promise
  }

  async untilKilled(): Promise<void> {
    await this.#isKilled.promise
    this.#isKilled = Promise.withResolvers()
  }

  bringBack(failure?: Error): void {
    if (failure === undefined) this.#isBack.resolve()
    else this.#isBack.reject(failure)
    this.#isBack = Promise.withResolvers()
  }
}

const strike = (name: string, afterOrders: number): Parameters<typeof killing>[0]['plan'][number] => ({
  victim: name,
  afterOrders,
  afterMs: 0,
  awayMs: 0,
})

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  await new Promise(resolve => setImmediate(resolve))
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending
}

function start(trouble: Trouble): Promise<void> {
  return trouble.cause(new AbortController().signal)
}

describe('killing', () => {
  it('strikes when its orders are placed, holds the orders of the next strike, and tells when the victim is back', async () => {
    const [kafka, redis] = [new TestVictim(), new TestVictim()]
    const told: string[] = []
    const trouble = killing({
      plan: [strike('kafka', 0), strike('redis', 3)],
      victims: new Map(Object.entries({ kafka, redis })),
      orders: 10,
      progress: { tell: line => void told.push(line) },
    })
    const over = start(trouble)
    await trouble.mayPlace(0)
    await trouble.mayPlace(2)
    await kafka.untilKilled()
    await trouble.mayPlace(3)
    expect(redis.killed).toBe(0)
    const last = trouble.mayPlace(9)
    await redis.untilKilled()
    await last
    kafka.bringBack()
    redis.bringBack()
    await over
    expect(trouble.kills.map(({ what }) => what)).toEqual(['kafka', 'redis'])
    expect(told[0]).toMatch(/^kill at .*: kafka, back after /)
  })

  it('kills nobody who is not back yet, and nobody who may not be killed yet', async () => {
    const [kafka, free] = [new TestVictim(), Promise.withResolvers<void>()]
    const trouble = killing({
      plan: [strike('kafka', 0), strike('kafka', 1)],
      victims: new Map([['kafka', Object.assign(kafka, { mayBeKilled: free.promise })]]),
      orders: 2,
      progress: { tell: () => undefined },
    })
    const over = start(trouble)
    const held = trouble.mayPlace(1)
    expect(await isSettled(held)).toBe(false)
    expect(kafka.killed).toBe(0)
    free.resolve()
    await kafka.untilKilled()
    expect(await isSettled(held)).toBe(false)
    expect(kafka.killed).toBe(1)
    kafka.bringBack()
    await kafka.untilKilled()
    await held
    kafka.bringBack()
    await over
    expect(trouble.kills).toHaveLength(2)
  })

  it('fails when a victim does not come back', async () => {
    const kafka = new TestVictim()
    const trouble = killing({
      plan: [strike('kafka', 0), strike('kafka', 1)],
      victims: new Map([['kafka', kafka]]),
      orders: 5,
      progress: { tell: () => undefined },
    })
    const over = start(trouble)
    await trouble.mayPlace(0)
    await kafka.untilKilled()
    kafka.bringBack(new Error('it stays away'))
    await expect(over).rejects.toThrow('it stays away')
  })
})
