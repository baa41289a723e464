import { describe, expect, it } from 'vitest'
import { weaknesses } from '../src/check-settings.ts'

const info = (settings: Readonly<Record<string, string>>): string =>
  Object.entries({ maxmemory: '0', maxmemory_policy: 'noeviction', aof_enabled: '1', ...settings })
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('')

describe('the settings of Redis', () => {
  it('are good with an append-only file and without eviction', () => {
    expect(weaknesses(info({}))).toEqual([])
    expect(weaknesses(info({ maxmemory: '1000000' }))).toEqual([])
  })

  it('are weak where records may be evicted, which needs a limit of memory', () => {
    expect(weaknesses(info({ maxmemory: '1000000', maxmemory_policy: 'volatile-lru' }))).toEqual([
      expect.stringContaining('maxmemory-policy volatile-lru'),
    ])
    expect(weaknesses(info({ maxmemory_policy: 'volatile-lru' }))).toEqual([])
  })

  it('are weak without an append-only file', () => {
    expect(weaknesses(info({ aof_enabled: '0' }))).toEqual([expect.stringContaining('append-only')])
  })
})
