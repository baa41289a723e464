import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { gatherWrites } from '../src/connection/gathered-writes.ts'

/** Tells what each system call would carry. */
function socket(options: { readonly writableHighWaterMark?: number } = {}): { calls: string[]; duplex: Duplex } {
  const calls: string[] = []
  const duplex = new Duplex({
    ...options,
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      calls.push(String(chunk))
      done()
    },
    writev(chunks: readonly { readonly chunk: Buffer }[], done) {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(' '))
      done()
    },
  })
  gatherWrites(duplex)
  return { calls, duplex }
}

describe('gatherWrites', () => {
  it('writes in one call what is written in one turn, in its order', async () => {
    const { calls, duplex } = socket()
    for (const word of ['a', 'b', 'c']) duplex.write(word)
    expect(calls).toEqual([])
    await setImmediate()
    duplex.write('d')
    await setImmediate()
    expect(calls).toEqual(['a b c', 'd'])
  })

  it('says when the socket is full, and when it has drained', async () => {
    const { calls, duplex } = socket({ writableHighWaterMark: 3 })
    expect(['aa', 'bb'].map(word => duplex.write(word))).toEqual([true, false])
    await once(duplex, 'drain')
    expect(calls).toEqual(['aa bb'])
  })

  it('loses nothing when the socket ends in the same turn', async () => {
    const { calls, duplex } = socket()
    duplex.write('a')
    duplex.end('b')
    await once(duplex, 'finish')
    expect(calls).toEqual(['a b'])
  })

  it('calls back when a chunk is written', async () => {
    const { calls, duplex } = socket()
    const written = await new Promise(resolve => duplex.write('a', () => resolve([...calls])))
    expect(written).toEqual(['a'])
  })
})
