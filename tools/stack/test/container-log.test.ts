import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { createContainerLog } from '../src/containers/container-log.ts'

const readyTwice = { pattern: /ready to accept/, count: 2 }

it('knows that a server is ready by lines that come in pieces', async () => {
  const stream = new PassThrough()
  const run = createContainerLog().follow(stream, readyTwice)
  const said: string[] = []
  void run.ready.then(isReady => said.push(`ready ${isReady}`))
  stream.write('it is ready to accept\nready to ac')
  await new Promise(setImmediate)
  expect(said).toEqual([])
  stream.write('cept, at last\n')
  expect(await run.ready).toBe(true)
  expect(run.hasEnded).toBe(false)
})

it('tells that a server has ended before it was ready', async () => {
  const stream = new PassThrough()
  const run = createContainerLog().follow(stream, readyTwice)
  stream.end('ready to accept\nno, there is no disk\n')
  expect(await run.ready).toBe(false)
  await run.ended
  expect(run.hasEnded).toBe(true)
})

it('takes an engine that goes away for the end of the container', async () => {
  const stream = new PassThrough()
  const run = createContainerLog().follow(stream, readyTwice)
  stream.destroy(new Error('socket hang up'))
  await run.ended
  expect(run.hasEnded).toBe(true)
})

it('keeps the last lines of all runs of a container', async () => {
  const log = createContainerLog()
  for (const run of ['first', 'second']) {
    const stream = new PassThrough()
    stream.end(`${run} run begins\n${`of the ${run}\n`.repeat(30)}`)
    await log.follow(stream, readyTwice).ended
  }
  expect(log.tail(3)).toBe('of the second\n'.repeat(3).trimEnd())
  expect(log.tail(32).split('\n')[0]).toBe('of the first')
  expect(log.tail().split('\n')).toHaveLength(40)
})

it('keeps no more than the end of a long log', async () => {
  const log = createContainerLog()
  const stream = new PassThrough()
  const { ended } = log.follow(stream, readyTwice)
  for (let chunk = 0; chunk < 10; chunk++) stream.write('x'.repeat(64 * 1024))
  stream.end('\nlast')
  await ended
  expect(log.tail().length).toBeLessThanOrEqual(2 * 64 * 1024)
  expect(log.tail(1)).toBe('last')
})
