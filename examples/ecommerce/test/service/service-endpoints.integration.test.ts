import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type EndpointServer, Refusal, serveEndpoints } from '../../src/service/service-endpoints.ts'

let server: EndpointServer
let failures: unknown[]

beforeEach(async () => {
  failures = []
  server = await serveEndpoints({
    host: '127.0.0.1',
    port: 0,
    endpoints: [
      {
        method: 'GET',
        path: '/orders/:orderId',
        answer: ({ parameter, query }) => answered([parameter, query.get('a')]),
      },
      { method: 'POST', path: '/orders', answer: ({ body }) => answered(body ?? 'nothing') },
      { method: 'GET', path: '/refused', answer: () => Promise.reject(new Refusal(503, 'come again')) },
      { method: 'GET', path: '/broken', answer: () => Promise.reject(new Error('secret')) },
    ],
    failed: error => failures.push(error),
  })
})
afterEach(() => server.close())

const answered = (body: unknown): { status: number; body: unknown } => ({ status: 200, body })

async function ask(path: string, init?: RequestInit): Promise<readonly [number, unknown]> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init)
  return [response.status, await response.json()]
}

const post = (body: string): RequestInit => ({ method: 'POST', body })

describe('the endpoints of a service', () => {
  it('answer what is asked, with what stands in the path, the query and the body', async () => {
    expect(await ask('/orders/C%2F1?a=b')).toEqual([200, ['C/1', 'b']])
    expect(await ask('/orders', post('{"a":[1]}'))).toEqual([200, { a: [1] }])
    expect(await ask('/orders', post(''))).toEqual([200, 'nothing'])
  })

  it('refuse what they do not know', async () => {
    expect(await ask('/')).toEqual([404, { error: 'there is no GET /' }])
    expect(await ask('/orders/1', post('{}'))).toEqual([404, { error: 'there is no POST /orders/1' }])
    expect(await ask('/orders/%zz')).toEqual([400, { error: expect.stringContaining('percent') }])
    expect(await ask('/orders', post('{"a":'))).toEqual([400, { error: 'the body is not JSON' }])
    expect(await ask('/refused')).toEqual([503, { error: 'come again' }])
    expect(failures).toEqual([])
  })

  it('tell a caller nothing of what went wrong inside, and the service all', async () => {
    const [status, body] = await ask('/broken')
    expect(status).toBe(500)
    expect(JSON.stringify(body)).not.toContain('secret')
    expect(failures).toEqual([new Error('secret')])
  })

  it('close although somebody asks again and again on one connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const answers: (number | undefined)[] = []
    const askOn = (): Promise<void> =>
      new Promise(resolve => {
        const asking = request({ port: server.port, host: '127.0.0.1', path: '/orders/1', agent }, response => {
          answers.push(response.statusCode)
          response.resume().on('end', () => void askOn().then(resolve))
        })
        asking.on('error', () => resolve()).end()
      })
    const refused = askOn()
    await vi.waitFor(() => expect(answers.length).toBeGreaterThan(2))
    await server.close()
    await refused
    agent.destroy()
    expect(new Set(answers)).toEqual(new Set([200]))
  })

  it('close although somebody never finishes what he asks', async () => {
    const stuck = connect({ port: server.port, host: '127.0.0.1' })
    stuck.write('POST /orders HTTP/1.1\r\nhost: service\r\ncontent-length: 10\r\n\r\n1')
    await once(stuck, 'connect')
    await ask('/orders/1')
    const gone = once(stuck, 'close')
    stuck.on('error', () => undefined)
    await server.close()
    await gone
  })

  it('take no body that is too large, announced or not', async () => {
    const large = 'x'.repeat(1024 * 1024 + 1)
    expect(await ask('/orders', post(large))).toEqual([413, { error: expect.stringContaining('larger') }])
    const status = await new Promise((resolve, reject) => {
      const sending = request({ port: server.port, host: '127.0.0.1', path: '/orders', method: 'POST' }, response => {
        response.resume()
        resolve(response.statusCode)
      })
      sending.on('error', reject)
      sending.setHeader('transfer-encoding', 'chunked')
      sending.end(large)
    })
    expect(status).toBe(413)
    expect(await ask('/orders', post('1'))).toEqual([200, 1])
  })
})
