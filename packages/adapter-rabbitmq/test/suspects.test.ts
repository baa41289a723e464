import { describe, expect, it } from 'vitest'
import type { Delivery } from '../src/consume/delivery.ts'
import { Suspects } from '../src/consume/suspects.ts'

const channel = { isOpen: true }
const returned = (returns: number, on = channel): Delivery => ({ returns, channel: on }) as Delivery

describe('suspects', () => {
  it('lets messages that came back now and then go together', () => {
    const suspects = new Suspects(20)
    expect(suspects.admit([returned(0), returned(5), returned(1)], 7)).toBe(3)
  })

  it('hands over what came back too often alone, when what is before it is settled', () => {
    const suspects = new Suspects(20)
    const waiting = [returned(0), returned(6), returned(6), returned(0)]
    expect(suspects.admit(waiting, 0)).toBe(1)
    waiting.splice(0, 1)
    expect(suspects.admit(waiting, 1)).toBe(0)
    expect(suspects.admit(waiting, 0)).toBe(1)
    const [suspect] = waiting.splice(0, 1)
    expect(suspects.admit(waiting, 1)).toBe(0)
    expect(suspects.settled(returned(0))).toBe(false)
    expect(suspects.settled(suspect!)).toBe(true)
    expect(suspects.admit(waiting, 0)).toBe(1)
  })

  it('forgets the one that was in hand when its channel ended', () => {
    const suspects = new Suspects(20)
    const ended = { isOpen: true }
    expect(suspects.admit([returned(6, ended)], 0)).toBe(1)
    ended.isOpen = false
    expect(suspects.admit([returned(7)], 0)).toBe(1)
  })

  it('condemns the first that reached the limit, and not what came back with it', () => {
    const suspects = new Suspects(20)
    expect(suspects.isCondemned(returned(19))).toBe(false)
    expect(suspects.isCondemned(returned(20))).toBe(true)
    expect(suspects.isCondemned(returned(20))).toBe(false)
    expect(suspects.isCondemned(returned(39))).toBe(false)
    expect(suspects.isCondemned(returned(40))).toBe(true)
  })
})
