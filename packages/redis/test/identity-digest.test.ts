import { describe, expect, it } from 'vitest'
import { identityDigest, tokenDigest } from '../src/identity-digest.ts'

describe('the digest of an identity', () => {
  it('keeps scope and event apart, wherever the spaces are', () => {
    const texts = [
      ['a', 'b c'],
      ['a b', 'c'],
      ['a b c', ''],
      ['', 'a b c'],
    ] as const
    expect(new Set(texts.map(([scope, event]) => identityDigest(scope, event).field)).size).toBe(texts.length)
  })

  it('keeps events apart that differ in a lone surrogate only: UTF-8 writes all of them alike', () => {
    expect(identityDigest('a', '\ud800').field).not.toBe(identityDigest('a', '\ud801').field)
    expect(identityDigest('a', '\ud800').field).not.toBe(identityDigest('a', '\ufffd').field)
  })

  it('is 16 bytes, a page of 12 digits to the base of 4, and a bucket below 65,536', () => {
    for (let event = 0; event < 1000; event++) {
      const { field, page, bucket } = identityDigest('inventory', String(event))
      expect(Buffer.from(field, 'latin1').toString('latin1')).toBe(field)
      expect(field).toHaveLength(16)
      expect(page).toMatch(/^[0-3]{12}$/)
      expect(bucket >= 0 && bucket < 65_536).toBe(true)
    }
  })

  it('is another one for another token', () => {
    expect(tokenDigest('member-1 1')).toHaveLength(8)
    expect(tokenDigest('member-1 1')).not.toBe(tokenDigest('member-1 2'))
  })
})
