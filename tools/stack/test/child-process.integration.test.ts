import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type ChildProcess, type ChildProcessOptions, startChildProcess } from '../src/index.ts'

const script = (name: string): URL => new URL(`./scripts/${name}.ts`, import.meta.url)

async function start(name: string, options: ChildProcessOptions = {}): Promise<ChildProcess> {
  const child = await startChildProcess(script(name), options)
  onTestFinished(() => child.stop())
  return child
}

describe('a child process', () => {
  it('speaks with its test in named signals', async () => {
    const child = await start('echo', { environment: { ECHO_LANGUAGE: 'en' } })
    expect(await child.signal('ready')).toEqual({ language: 'en' })
    child.tell('say', { text: 'hello' })
    child.tell('say')
    expect(await child.signal('said')).toEqual({ text: 'hello' })
    expect(await child.signal('said')).toBeNull()
  })

  it('runs with its arguments and finds the sources of the packages', async () => {
    const child = await start('echo', { arguments: ['one', 'two'] })
    await child.signal('ready')
    expect(child.log()).toContain('conditions --conditions=mekong-source, arguments one two')
  })

  it('ends at once when it is killed, in whatever it does', async () => {
    const child = await start('echo')
    await child.signal('ready')
    await child.pause()
    await child.kill()
    expect(await child.untilExit()).toEqual({ code: null, signal: 'SIGKILL' })
  })

  it('can be asked to end', async () => {
    const child = await start('end')
    await child.signal('started')
    expect(await child.terminate()).toEqual({ code: 3, signal: null })
  })

  it('ends by itself when it waits for nothing more', async () => {
    const child = await start('end')
    child.tell('end')
    expect(await child.untilExit()).toEqual({ code: 0, signal: null })
    expect(await child.signal('started')).toBeNull()
  })

  it('stands still while it is paused', async () => {
    const [child, other] = await Promise.all([start('echo'), start('echo')])
    await Promise.all([child.signal('ready'), other.signal('ready')])
    await child.pause()
    child.tell('say', 1)
    const said: string[] = []
    const paused = child.signal('said').then(() => said.push('paused'))
    other.tell('say', 2)
    await other.signal('said').then(() => said.push('running'))
    await child.resume()
    await paused
    expect(said).toEqual(['running', 'paused'])
  })
})

describe('a child process that fails', () => {
  it('fails the wait for its signal, with what it printed', async () => {
    const child = await start('crash')
    await child.signal('started')
    await expect(child.signal('finished')).rejects.toThrow(
      /crash.ts ended with code 1 and had not announced 'finished'[^]*out of paper/,
    )
  })

  it('fails the test that did not wait for its end', async () => {
    const child = await startChildProcess(script('crash'))
    await child.signal('started')
    await vi.waitUntil(() => child.hasEnded, { interval: 5, timeout: 10_000 })
    await expect(child.stop()).rejects.toThrow(/crash.ts ended with code 1 and nobody[^]*out of paper/)
  })

  it('does not fail a test that waited for its end', async () => {
    const child = await start('crash')
    expect(await child.untilExit()).toEqual({ code: 1, signal: null })
    await expect(child.stop()).resolves.toBeUndefined()
  })

  it('fails the wait for a signal that does not come in time', async () => {
    const child = await start('echo', { signalTimeoutMs: 1 })
    await expect(child.signal('never')).rejects.toThrow(/echo.ts still runs and did not announce 'never' within 1 ms/)
  })

  it('that is no program at all fails when it is waited for', async () => {
    const child = await start('missing')
    await expect(child.signal('ready')).rejects.toThrow(/missing.ts ended with code 1[^]*Cannot find module/)
  })
})
