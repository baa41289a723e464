import { chmodSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type TestFolder, testFolder } from './support/csv-files.ts'
import { type ShopProcess, startShop } from './support/shop-process.ts'

let temporary: TestFolder
let shop: ShopProcess

beforeEach(() => {
  temporary = testFolder()
  // The server of a run as root runs as another user, who must be able to enter.
  chmodSync(temporary.path, 0o755)
  shop = startShop([], { MEKONG_POSTGRES_URL: undefined, TMPDIR: temporary.path, NODE_COMPILE_CACHE: undefined })
})
afterEach(() => temporary[Symbol.dispose]())

/** The process of the Postgres whose data folder is in the temporary folder. */
function serverProcess(): number {
  const files = readdirSync(temporary.path, { recursive: true, encoding: 'utf8' })
  const file = files.find(name => name.endsWith('postmaster.pid')) ?? 'no postmaster.pid'
  return Number.parseInt(readFileSync(join(temporary.path, file), 'utf8'), 10)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('a run that is ended from outside', () => {
  it.each<NodeJS.Signals>(['SIGINT', 'SIGTERM', 'SIGKILL'])(
    'leaves no server and no folder behind at %s',
    async signal => {
      await shop.until(/\d+ of 970 orders ended/)
      const server = serverProcess()
      expect(isAlive(server)).toBe(true)
      shop.kill(signal)
      const ended = await shop.ended
      expect(ended.code === 0).toBe(false)
      await vi.waitFor(
        () => {
          expect(isAlive(server)).toBe(false)
          expect(readdirSync(temporary.path)).toEqual([])
        },
        { timeout: 20_000, interval: 50 },
      )
    },
  )
})
