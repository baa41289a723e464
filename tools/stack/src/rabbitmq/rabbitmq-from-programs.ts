import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createServerCertificate, type ServerCertificate } from '../certificates.ts'
import { launchProgram, onFreePorts } from '../programs/launch-program.ts'
import type { ProgramServer } from '../server.ts'
import { superviseServer } from '../supervised-server.ts'
import { startSupervisor } from '../supervisor/supervisor.ts'
import { startTcpProxy } from '../tcp-proxy/tcp-proxy.ts'
import { startNameServer } from './name-server.ts'
import { rabbitMqEnvironment } from './rabbitmq-environment.ts'
import { type RabbitMqPrograms, rabbitMqPrograms } from './rabbitmq-programs.ts'
import { rabbitMqConfiguration, type RabbitMqTls } from './rabbitmq-settings.ts'
import type { RabbitMqServer, StartRabbitMqOptions } from './start-rabbitmq.ts'

/** A RabbitMQ started from the programs on this machine. */
export type RabbitMqProgramServer = RabbitMqServer & ProgramServer

const controlTimeoutMs = 60_000

interface RabbitMqOrder {
  readonly programs: RabbitMqPrograms
  readonly ports: RabbitMqPorts
  readonly certificate: ServerCertificate | undefined
  readonly options: StartRabbitMqOptions
}

interface RabbitMqPorts {
  readonly direct: number
  readonly tls: number
  readonly management: number
  readonly nameServer: number
  readonly distribution: number
}

/** As `startRabbitMq`, always from the programs on this machine. */
export async function startRabbitMqFromPrograms(options: StartRabbitMqOptions = {}): Promise<RabbitMqProgramServer> {
  const programs = await rabbitMqPrograms()
  const certificate = options.tls === true ? await createServerCertificate('MEKONG_RABBITMQ_URL') : undefined
  return onFreePorts(5, ([direct = 0, tls = 0, management = 0, nameServer = 0, distribution = 0]) =>
    start({ programs, ports: { direct, tls, management, nameServer, distribution }, certificate, options }),
  )
}

async function start(order: RabbitMqOrder): Promise<RabbitMqProgramServer> {
  const { programs, ports, certificate, options } = order
  await using starting = new AsyncDisposableStack() // ends what was started, unless the start succeeds
  const supervisor = await startSupervisor({ name: 'rabbitmq', storage: options.storage, endSignal: 'SIGKILL' })
  starting.defer(() => supervisor.end())
  starting.use(await startNameServer(programs.epmd, ports.nameServer))

  const login = `mekong:${randomBytes(16).toString('hex')}`
  const environment = rabbitMqEnvironment({
    folder: supervisor.folder,
    nodeName: `mekong-${randomBytes(6).toString('hex')}`,
    epmdPort: ports.nameServer,
    distributionPort: ports.distribution,
  })
  await writeFiles(order, supervisor.folder, login)
  const launch = {
    name: 'RabbitMQ',
    supervisor,
    order: { command: programs['rabbitmq-server'], arguments: [], environment, workingFolder: supervisor.folder },
    readyPattern: /Server startup complete/,
    startTimeoutMs: options.startTimeoutMs ?? 60_000,
    remedy: 'Mend what they name, or set MEKONG_RABBITMQ_URL to a RabbitMQ that runs.',
  }
  const first = await launchProgram(launch)

  const clientPort = certificate === undefined ? ports.direct : ports.tls
  const target = { host: '127.0.0.1', port: clientPort }
  const proxies = options.proxied === true ? [starting.use(await startTcpProxy({ target }))] : []
  const scheme = certificate === undefined ? 'amqp' : 'amqps'
  const belongings = starting.move()
  const server = superviseServer(
    {
      name: 'RabbitMQ',
      url: `${scheme}://${login}@127.0.0.1:${proxies[0]?.port ?? clientPort}`,
      supervisor,
      shutdownSignal: 'SIGTERM',
      launch: () => launchProgram(launch),
      afterStop: () => belongings.disposeAsync(),
    },
    first,
  )
  return Object.assign(server, {
    directUrl: `amqp://${login}@127.0.0.1:${ports.direct}`,
    managementUrl: `http://${login}@127.0.0.1:${ports.management}`,
    proxies,
    ca: certificate?.ca,
    control: (...command: readonly string[]) => runControl(programs.rabbitmqctl, command, environment),
  })
}

async function writeFiles(
  { ports, certificate, options }: RabbitMqOrder,
  folder: string,
  login: string,
): Promise<void> {
  const write = (name: string, text: string, mode = 0o600): Promise<void> =>
    writeFile(join(folder, name), text, { mode })
  const [username = '', password = ''] = login.split(':')
  let tls: RabbitMqTls | undefined
  if (certificate !== undefined) {
    await Promise.all([
      write('ca.pem', certificate.ca),
      write('server.pem', certificate.certificate),
      write('server.key', certificate.key),
    ])
    const [caFile, certificateFile, keyFile] = ['ca.pem', 'server.pem', 'server.key'].map(name =>
      join(folder, name),
    ) as [string, string, string]
    tls = { port: ports.tls, caFile, certificateFile, keyFile }
  }
  const addresses = { directPort: ports.direct, managementPort: ports.management, username, password, tls }
  await write('rabbitmq.conf', rabbitMqConfiguration(addresses, options.settings ?? {}))
  await write('enabled_plugins', `[${['rabbitmq_management', ...(options.plugins ?? [])].join(',')}].\n`)
  await write('.erlang.cookie', randomBytes(16).toString('hex'), 0o400)
}

async function runControl(
  program: string,
  command: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  try {
    return (await promisify(execFile)(program, [...command], { env: environment, timeout: controlTimeoutMs })).stdout
  } catch (cause) {
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string }
    throw new Error(`rabbitmqctl ${command[0] ?? ''} failed: ${(stderr + stdout).trim() || String(cause)}`, { cause })
  }
}
