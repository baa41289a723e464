import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { withLock } from './lock.mjs'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mekong-lock-'))
  file = join(folder, 'lock')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the lock of the set-up', () => {
  it('lets one in at a time', async () => {
    let inside = 0
    let most = 0
    const body = async (): Promise<void> => {
      most = Math.max(most, ++inside)
      await new Promise(setImmediate)
      inside--
    }
    await Promise.all([1, 2, 3].map(() => withLock(file, body, { onWait: ignore })))
    expect(most).toBe(1)
    expect(existsSync(file)).toBe(false)
  })

  it('says once that somebody else holds it', async () => {
    const said = new EventEmitter()
    const first = withLock(file, () => once(said, 'waiting'), { onWait: ignore })
    const second = withLock(file, () => Promise.resolve('mine'), { onWait: () => said.emit('waiting') })
    await first
    expect(await second).toBe('mine')
  })

  it('is released when the body fails', async () => {
    await expect(withLock(file, () => Promise.reject(new Error('no')), { onWait: ignore })).rejects.toThrow('no')
    expect(existsSync(file)).toBe(false)
  })

  it('is taken over at once from a process that died', async () => {
    leaveLock({ host: hostname(), pids: [await idOfEndedProcess()] })
    expect(await withLock(file, () => Promise.resolve('mine'), { onWait: ignore })).toBe('mine')
  })

  it('is not taken over while the command of a dead holder still runs', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
    leaveLock({ host: hostname(), pids: [await idOfEndedProcess(), child.pid ?? 0] })
    const order: string[] = []
    const ended = once(child, 'exit').then(() => order.push('command ended'))
    await withLock(file, async () => void order.push('entered'), { onWait: () => child.stdin.end() })
    await ended
    expect(order).toEqual(['command ended', 'entered'])
  })

  it('is taken over from another machine that fell silent', async () => {
    leaveLock({ host: 'another', pids: [1] })
    expect(await withLock(file, () => Promise.resolve('mine'), { onWait: ignore, silenceMs: 100 })).toBe('mine')
  })

  it('is taken over when a removal was cut off', async () => {
    leaveLock({ host: hostname(), pids: [await idOfEndedProcess()] })
    writeFileSync(`${file}.removal`, '')
    expect(await withLock(file, () => Promise.resolve('mine'), { onWait: ignore, silenceMs: 100 })).toBe('mine')
  })
})

function leaveLock(holder: { host: string; pids: number[] }): void {
  writeFileSync(file, JSON.stringify({ token: 'left behind', ...holder }))
}

async function idOfEndedProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  return child.pid ?? 0
}

function ignore(): void {}
