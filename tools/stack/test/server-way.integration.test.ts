import { once } from 'node:events'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, ListenOptions } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createServerCertificate } from '../src/certificates.ts'
import { serverWay } from '../src/server-way.ts'

const pong: RequestListener = (request, response) => {
  response.writeHead(request.url === '/_ping' ? 200 : 404).end('OK')
}
const refusal: RequestListener = (_request, response) => void response.writeHead(500).end()
const silence: RequestListener = () => {}

async function listen(server: Server, where: ListenOptions): Promise<AddressInfo | string | null> {
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server.listen(where), 'listening')
  return server.address()
}

async function engineAtSocket(answer: RequestListener): Promise<string> {
  const folder = await mkdtempDisposable(join(tmpdir(), 'engine-'))
  onTestFinished(() => folder.remove())
  const path = join(folder.path, 'docker.sock')
  await listen(createServer(answer), { path })
  return path
}

// For sockets: the machine that runs the tests may be a container itself.
const here = { TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1' }

describe('servers come from containers', () => {
  it('where an engine answers at DOCKER_HOST', async () => {
    const DOCKER_HOST = `unix://${await engineAtSocket(pong)}`
    expect(await serverWay({ ...here, DOCKER_HOST })).toBe('containers')
    expect(await serverWay({ ...here, DOCKER_HOST, MEKONG_STACK: 'containers' })).toBe('containers')
  })

  it('where it answers over TCP, with TLS too', async () => {
    const { port } = (await listen(createServer(pong), { port: 0, host: '127.0.0.1' })) as AddressInfo
    expect(await serverWay({ DOCKER_HOST: `tcp://127.0.0.1:${port}` })).toBe('containers')

    const { ca, certificate: cert, key } = await createServerCertificate('DOCKER_HOST')
    await using folder = await mkdtempDisposable(join(tmpdir(), 'engine-certificates-'))
    const files = { 'ca.pem': ca, 'cert.pem': cert, 'key.pem': key }
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text)
    const tls = createTlsServer({ cert, key }, pong)
    const address = (await listen(tls, { port: 0, host: '127.0.0.1' })) as AddressInfo
    const DOCKER_HOST = `tcp://127.0.0.1:${address.port}`
    const environment = { DOCKER_HOST, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder.path }
    expect(await serverWay(environment)).toBe('containers')
    expect(await serverWay({ DOCKER_HOST })).toBe('programs')
  })

  it('where it answers at the socket of the user', async () => {
    const path = await engineAtSocket(pong)
    expect(await serverWay({ ...here, XDG_RUNTIME_DIR: join(path, '..') })).toBe('containers')
  })
})

describe('servers come from programs', () => {
  it.each(['unix:///nowhere/docker.sock', 'tcp://127.0.0.1:1', 'ssh://127.0.0.1', 'nonsense'])(
    'where nobody answers at DOCKER_HOST: %s',
    async DOCKER_HOST => expect(await serverWay({ ...here, DOCKER_HOST })).toBe('programs'),
  )

  it('where what answers is ill, or says nothing', async () => {
    expect(await serverWay({ ...here, DOCKER_HOST: `unix://${await engineAtSocket(refusal)}` })).toBe('programs')
    expect(await serverWay({ ...here, DOCKER_HOST: `unix://${await engineAtSocket(silence)}` })).toBe('programs')
  })

  it('where the engine publishes its ports on another machine', async () => {
    const path = await engineAtSocket(pong)
    const environment = { DOCKER_HOST: `unix://${path}`, TESTCONTAINERS_HOST_OVERRIDE: 'docker.example.com' }
    expect(await serverWay(environment)).toBe('programs')
    expect(await serverWay({ DOCKER_HOST: 'tcp://docker.example.com:2375' })).toBe('programs')
  })

  it('where they are asked for, whatever engine answers', async () => {
    const DOCKER_HOST = `unix://${await engineAtSocket(pong)}`
    expect(await serverWay({ ...here, DOCKER_HOST, MEKONG_STACK: 'programs' })).toBe('programs')
  })
})

it('says what to do where containers are asked for and no engine answers', async () => {
  const environment = { DOCKER_HOST: 'unix:///nowhere/docker.sock', MEKONG_STACK: 'containers' }
  await expect(serverWay(environment)).rejects.toThrow(/no Docker engine of this machine answers.*DOCKER_HOST/)
})

it('says which ways there are when another one is asked for', async () => {
  await expect(serverWay({ MEKONG_STACK: 'podman' })).rejects.toThrow('"podman": it may be containers or programs')
})
