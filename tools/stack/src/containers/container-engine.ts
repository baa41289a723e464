import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { get as getOverHttp, type RequestOptions } from 'node:http'
import { get as getOverHttps, type RequestOptions as TlsRequestOptions } from 'node:https'
import { homedir } from 'node:os'
import { join } from 'node:path'

const answerTimeoutMs = 500
const thisMachine = new Set(['localhost', '127.0.0.1'])

/**
 * Whether a Docker engine of this machine answers where testcontainers will look for it: at DOCKER_HOST when that is
 * set, else at the usual sockets. Tells it in some milliseconds, or after half a second of silence, without loading
 * testcontainers.
 *
 * The engine of another machine does not count, nor that of the machine around a container which this program runs in:
 * they publish ports where 127.0.0.1 does not lead. TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1 says that it does.
 */
export async function containerEngineAnswers(environment: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  if (!publishesHere(environment)) return false
  const dockerHost = environment['DOCKER_HOST']
  if (dockerHost) return hostAnswers(new URL(dockerHost), environment)
  for (const socketPath of usualSockets(environment)) {
    if (existsSync(socketPath) && (await answers(getOverHttp, { socketPath }))) return true
  }
  return false
}

function publishesHere(environment: NodeJS.ProcessEnv): boolean {
  const { DOCKER_HOST: dockerHost, TESTCONTAINERS_HOST_OVERRIDE: override } = environment
  if (dockerHost && !URL.canParse(dockerHost)) return false
  if (override) return thisMachine.has(override)
  const hostname = dockerHost ? new URL(dockerHost).hostname : ''
  return hostname === '' ? !existsSync('/.dockerenv') : thisMachine.has(hostname)
}

function usualSockets(environment: NodeJS.ProcessEnv): readonly string[] {
  const runtimeFolder = environment['XDG_RUNTIME_DIR']
  return [
    '/var/run/docker.sock',
    ...(runtimeFolder ? [join(runtimeFolder, 'docker.sock')] : []),
    join(homedir(), '.docker/run/docker.sock'),
    join(homedir(), '.docker/desktop/docker.sock'),
    `/run/user/${process.getuid?.()}/docker.sock`,
  ]
}

async function hostAnswers(host: URL, environment: NodeJS.ProcessEnv): Promise<boolean> {
  switch (host.protocol) {
    case 'unix:':
    case 'npipe:':
      return answers(getOverHttp, { socketPath: host.pathname })
    case 'tcp:':
    case 'http:':
    case 'https:': {
      const address = { host: host.hostname, port: host.port }
      const certificates = await clientCertificates(environment)
      if (certificates === undefined) return answers(getOverHttp, address)
      return answers(getOverHttps, { ...address, ...certificates })
    }
    default:
      return false // testcontainers speaks to no other, ssh: included
  }
}

async function clientCertificates(environment: NodeJS.ProcessEnv): Promise<TlsRequestOptions | undefined> {
  const folder = environment['DOCKER_CERT_PATH']
  if (environment['DOCKER_TLS_VERIFY'] !== '1' || !folder) return undefined
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map(name => readFile(join(folder, name), 'utf8')),
  )
  return { ca, cert, key }
}

function answers<Options extends RequestOptions>(
  get: (options: Options & { path: string; signal: AbortSignal }) => ReturnType<typeof getOverHttp>,
  address: Options,
): Promise<boolean> {
  return new Promise(resolve => {
    const request = get({ ...address, path: '/_ping', signal: AbortSignal.timeout(answerTimeoutMs) })
    request.once('error', () => resolve(false))
    request.once('response', response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
  })
}
