import { MekongError } from '@mekong/core'
import { virtualClock } from '@mekong/testing'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Dependency, RunningService } from '../../src/platform/open-service.ts'
import { openPatiently, type PatientOpening } from '../../src/service/open-patiently.ts'

const service = {} as RunningService
const away = new MekongError('BROKER_UNAVAILABLE', 'kafka cannot be reached', { retryable: true })

let clock: ReturnType<typeof virtualClock>
let ending: AbortController
let logged: object[]
let waited: (Dependency | undefined)[]
beforeEach(() => {
  clock = virtualClock()
  ending = new AbortController()
  logged = []
  waited = []
})

function openWith(open: PatientOpening['open']): Promise<RunningService | undefined> {
  const warn = (fields: object, message: string): unknown => logged.push({ ...fields, message })
  return openPatiently({
    open,
    log: { warn: warn as PatientOpening['log']['warn'] },
    ending: ending.signal,
    waits: dependency => waited.push(dependency),
    clock,
  })
}

/** Fails for so many times. */
function opensAfter(failures: number, error: Error = away): PatientOpening['open'] {
  return needs => {
    needs('database')
    needs('broker')
    return failures-- > 0 ? Promise.reject(error) : Promise.resolve(service)
  }
}

describe('openPatiently', () => {
  it('gives the service at once where all is there, and has nothing to say', async () => {
    expect(await openWith(opensAfter(0))).toBe(service)
    expect(logged).toEqual([])
  })

  it('tries again until what is away is back, and says each time what it waits for', async () => {
    const opened = openWith(opensAfter(8))
    await clock.advance(60_000)
    expect(await opened).toBe(service)
    expect(waited).toEqual([...Array<Dependency>(8).fill('broker'), undefined])
    expect(logged).toHaveLength(8)
    expect(logged[0]).toEqual({
      waitsFor: 'broker',
      error: 'kafka cannot be reached',
      code: 'BROKER_UNAVAILABLE',
      attempt: 1,
      nextInMs: expect.any(Number),
      message: 'cannot start yet',
    })
    const pauses = logged.map(line => (line as { nextInMs: number }).nextInMs)
    for (const [index, bound] of [250, 500, 1000, 2000, 4000, 5000, 5000, 5000].entries()) {
      expect(pauses[index]).toBeLessThanOrEqual(bound)
      expect(pauses[index]).toBeGreaterThanOrEqual(bound / 2)
    }
  })

  it('says what gives no answer for long', async () => {
    const answer = Promise.withResolvers<RunningService>()
    const opened = openWith(needs => {
      needs('database')
      return answer.promise
    })
    await clock.advance(7000)
    expect(logged).toEqual([
      { waitsFor: 'database', waitedMs: 3000, message: 'still waits for an answer' },
      { waitsFor: 'database', waitedMs: 6000, message: 'still waits for an answer' },
    ])
    answer.resolve(service)
    expect(await opened).toBe(service)
    await clock.advance(60_000)
    expect(logged).toHaveLength(2)
  })

  it.each([
    ['says so', new MekongError('TOPOLOGY_DIFFERS', 'kafka is not as wished')],
    ['was not foreseen', new TypeError('undefined is not a function')],
  ])('rejects with an error that does not pass: it %s', async (_what, error) => {
    await expect(openWith(opensAfter(1, error))).rejects.toBe(error)
    expect(logged).toEqual([])
  })

  it('gives up at once when it is to end, in an attempt and between two', async () => {
    const hanging = openWith(() => Promise.withResolvers<RunningService>().promise)
    ending.abort()
    expect(await hanging).toBeUndefined()
    ending = new AbortController()
    const pausing = openWith(opensAfter(Infinity))
    await clock.advance(0)
    expect(logged).toHaveLength(1)
    ending.abort()
    expect(await pausing).toBeUndefined()
  })
})
