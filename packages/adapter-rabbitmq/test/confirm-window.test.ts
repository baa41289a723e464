import type { Fate, Outgoing } from '@mekong/core/driver'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfirmWindow } from '../src/publish/confirm-window.ts'
import { Sending } from '../src/publish/sending.ts'

function outgoing(id: string): Outgoing {
  return {
    topic: 'orders',
    key: undefined,
    headers: { 'ce-id': id },
    body: new Uint8Array(),
    delayMs: 0,
    until: 'stored',
  }
}

/** Everything sent on one channel, one after the other. */
function sent(window: ConfirmWindow, count: number): Sending {
  const sending = new Sending(Array.from({ length: count }, (_, index) => outgoing(`e${index}`)))
  for (; sending.next < count; sending.next++) window.add(sending, sending.next)
  return sending
}

const kinds = async (sending: Sending): Promise<readonly Fate['is'][]> => (await sending.done).map(({ is }) => is)

describe('the window of unconfirmed messages', () => {
  it('answers one by one, and all up to a tag', async () => {
    const window = new ConfirmWindow()
    const sending = sent(window, 5)
    window.acknowledged(3, false)
    expect(window.size).toBe(4)
    window.acknowledged(4, true)
    expect(window.size).toBe(1)
    window.acknowledged(5, false)
    expect(await kinds(sending)).toEqual(['stored', 'stored', 'stored', 'stored', 'stored'])
  })

  it('takes a negative answer for unknown: another queue may have the message', async () => {
    const window = new ConfirmWindow()
    const sending = sent(window, 3)
    window.rejected(2, false, new Error('no'))
    window.acknowledged(3, true)
    expect(await kinds(sending)).toEqual(['stored', 'unknown', 'stored'])
  })

  it('believes a return, not the confirm that follows it', async () => {
    const window = new ConfirmWindow()
    const sending = sent(window, 3)
    window.returned((of, index) => of.batch[index]!.headers['ce-id'] === 'e1', new Error('no route'))
    window.acknowledged(3, true)
    expect(await kinds(sending)).toEqual(['stored', 'not-stored', 'stored'])
  })

  it('tells two returns of one id apart', async () => {
    const window = new ConfirmWindow()
    const sendings = [sent(window, 1), sent(window, 1), sent(window, 1)]
    window.returned(() => true, new Error('no route'))
    window.returned(() => true, new Error('no route'))
    window.acknowledged(3, true)
    expect((await Promise.all(sendings.map(kinds))).flat()).toEqual(['not-stored', 'not-stored', 'stored'])
  })

  it('knows nothing of what is open when its channel ends', async () => {
    const window = new ConfirmWindow()
    const sending = sent(window, 3)
    window.acknowledged(1, false)
    window.lost(new Error('closed'))
    expect(await kinds(sending)).toEqual(['stored', 'unknown', 'unknown'])
    expect(window.size).toBe(0)
  })

  it('gives each message exactly its own answer, in whatever order and form answers come', async () => {
    const answers = fc.array(fc.record({ up: fc.nat(), multiple: fc.boolean(), ok: fc.boolean() }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3000 }), answers, async (count, given) => {
        const window = new ConfirmWindow()
        const sending = sent(window, count)
        const expected = Array.from<Fate['is'] | undefined>({ length: count })
        const answer = (tag: number, multiple: boolean, ok: boolean): void => {
          for (let at = multiple ? 0 : tag - 1; at < tag; at++) expected[at] ??= ok ? 'stored' : 'unknown'
          if (ok) window.acknowledged(tag, multiple)
          else window.rejected(tag, multiple, new Error('no'))
        }
        for (const { up, multiple, ok } of given) {
          const tag = 1 + (up % count)
          // The broker answers no tag twice.
          if (expected[tag - 1] === undefined) answer(tag, multiple, ok)
          expect(window.size).toBe(expected.filter(one => one === undefined).length)
        }
        for (let tag = 1; tag <= count; tag++) if (expected[tag - 1] === undefined) answer(tag, false, true)
        expect(await kinds(sending)).toEqual(expected)
      }),
      { numRuns: 50 },
    )
  })
})
