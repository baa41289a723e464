import { expect, it, onTestFinished } from 'vitest'
import { type RedisServer, startRedis, type StartRedisOptions } from '../src/index.ts'
import { askRedis } from './redis-client.ts'
import { runningCheck } from './server-place.ts'
import { occupyPort } from './occupied-port.ts'
import { describeByWay } from './ways.ts'

async function start(options: StartRedisOptions = {}): Promise<RedisServer> {
  const server = await startRedis({ storage: 'memory', ...options })
  onTestFinished(() => server.stop())
  return server
}

describeByWay('a Redis of our own', () => {
  it('keeps what it has answered through SIGKILL and restart', async () => {
    const server = await start()
    const isThere = runningCheck(server.nodes[0]!)
    expect(await isThere()).toBe(true)
    for (let count = 1; count <= 100; count++) expect(await askRedis(server.url, 'INCR kept')).toBe(`:${count}\r\n`)
    await server.kill()
    expect(await isThere()).toBe(false)
    expect(server.isRunning).toBe(false)
    await expect(server.kill()).rejects.toThrow('Redis is not running')
    await server.restart()
    expect(server.isRunning).toBe(true)
    expect(await askRedis(server.url, 'GET kept')).toBe('$3\r\n100\r\n')
  })

  it('answers nothing while it is paused', async () => {
    const server = await start()
    await server.pause()
    const answers: string[] = []
    const asked = askRedis(server.url, 'PING').then(answer => answers.push(answer))
    await askRedis((await start()).url, 'PING') // a server that runs has answered meanwhile
    expect(answers).toEqual([])
    await server.resume()
    await asked
    expect(answers).toEqual(['+PONG\r\n'])
  })

  it('lets in nobody without its password, when it has one', async () => {
    const { url } = await start({ password: 'blank and @' })
    expect(await askRedis(url.replace(/:[^:@]*@/, ''), 'PING')).toMatch('-NOAUTH')
    const server = await start({ password: 'simple', settings: { maxmemory: '50mb' } })
    expect(await askRedis(server.url, 'CONFIG GET maxmemory')).toContain('52428800')
  })

  it('says why it does not come up', async () => {
    await expect(start({ settings: { appendonly: 'nonsense' } })).rejects.toThrow(
      /Redis did not come up: it ended at once[^]*argument must be 'yes' or 'no'[^]*MEKONG_REDIS_URL/,
    )
    // It does not say that it is ready: on a busy machine it might be before anybody looks.
    const silent = start({ startTimeoutMs: 100, settings: { loglevel: 'warning' } })
    await expect(silent).rejects.toThrow('it took no connections within 100 ms')
  })

  it('says so when somebody else took its port while it was down', async () => {
    const server = await start()
    await server.kill()
    const other = await occupyPort(server.url)
    await expect(server.restart()).rejects.toThrow(/address already in use/i)
    await other[Symbol.asyncDispose]()
    await server.restart()
    expect(await askRedis(server.url, 'PING')).toBe('+PONG\r\n')
  })

  it('starts a cluster, whose nodes can be killed one by one and come back with their slots', async () => {
    const cluster = await start({ nodes: 3 })
    const info = (index: number): Promise<string> => askRedis(cluster.nodes[index]!.url, 'CLUSTER INFO')
    for (const index of [0, 1, 2]) expect(await info(index)).toContain('cluster_slots_ok:16384')
    await cluster.nodes[1]!.kill()
    expect(cluster.nodes.map(node => node.isRunning)).toEqual([true, false, true])
    await cluster.kill()
    expect(cluster.isRunning).toBe(false)
    await cluster.restart()
    expect(await info(1)).toContain('cluster_slots_assigned:16384')
  })
})
