import { describe, expect, it } from 'vitest'
import type { BrokerUrl } from '../../src/driver/broker-url.ts'
import { resolveDriver } from '../../src/driver/resolve-driver.ts'
import { scriptedBroker } from '../consume/scripted-broker.ts'

const { driver } = scriptedBroker()

describe('a broker', () => {
  it('is a driver as it is', async () => {
    expect(await resolveDriver('broker', driver, [])).toBe(driver)
  })

  it('is opened by the adapter of its scheme, those given first', async () => {
    const opened: BrokerUrl[] = []
    const adapter = {
      schemes: ['memory', 'mine'],
      open: async (url: BrokerUrl) => {
        opened.push(url)
        return driver
      },
    }
    expect(await resolveDriver('broker', 'mine://host/path', [adapter])).toBe(driver)
    expect(await resolveDriver('broker', new URL('memory:'), [adapter])).toBe(driver)
    expect(opened).toMatchObject([{ scheme: 'mine', hosts: [{ host: 'host' }], path: 'path' }, { scheme: 'memory' }])
  })

  it('in memory needs nothing', async () => {
    const memory = await resolveDriver('broker', 'memory:', [])
    expect(memory.name).toBe('memory')
    await memory.close()
  })

  it.each(['sqs', 'sns', 'kinesis'])('of the scheme %s names the package to install', async scheme => {
    await expect(resolveDriver('broker', `${scheme}://user:secret@host`, [])).rejects.toMatchObject({
      code: 'ADAPTER_MISSING',
      message: expect.stringMatching(/npm install @mekong\/adapter-\w+$/),
    })
  })

  it.each([
    ['routes.a.broker', 'user:secret@host:9092'],
    ['broker', 'http://user:secret@host'],
    ['broker', 'no url'],
  ])('that cannot be opened is refused with its path, and never repeated: %s %s', async (path, url) => {
    const error: unknown = await resolveDriver(path, url, []).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION', message: expect.stringContaining(path) })
    expect(String(error)).toContain('kafka://')
    expect(String(error)).not.toContain('secret')
  })
})
