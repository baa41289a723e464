import { randomBytes } from 'node:crypto'
import { RabbitMQContainer } from '@testcontainers/rabbitmq'
import { createServerCertificate, type ServerCertificate } from '../certificates.ts'
import { onFreePorts } from '../programs/launch-program.ts'
import { rabbitMqConfiguration, type RabbitMqSettings } from '../rabbitmq/rabbitmq-settings.ts'
import type { RabbitMqServer, StartRabbitMqOptions } from '../rabbitmq/start-rabbitmq.ts'
import { startTcpProxy } from '../tcp-proxy/tcp-proxy.ts'
import { containerSession } from './container-session.ts'
import { images } from './images.ts'
import { launchContainer } from './launch-container.ts'

interface RabbitMqOrder {
  readonly ports: { readonly direct: number; readonly tls: number; readonly management: number }
  readonly certificate: ServerCertificate | undefined
  readonly options: StartRabbitMqOptions
}

// Of the image, where nobody else is.
const inside = { direct: 5672, tls: 5671, management: 15_672 }
const username = 'mekong'

/** As `startRabbitMq`, always in a container. `storage` means nothing here: the data are in a volume of their own. */
export async function startRabbitMqInContainer(options: StartRabbitMqOptions = {}): Promise<RabbitMqServer> {
  const certificate = options.tls === true ? await createServerCertificate('MEKONG_RABBITMQ_URL') : undefined
  return onFreePorts(3, ([direct = 0, tls = 0, management = 0]) =>
    start({ ports: { direct, tls, management }, certificate, options }),
  )
}

async function start({ ports, certificate, options }: RabbitMqOrder): Promise<RabbitMqServer> {
  const containerName = `mekong-rabbitmq-${randomBytes(6).toString('hex')}`
  const password = randomBytes(16).toString('hex')
  const login = `${username}:${password}`
  const clientPort = certificate === undefined ? ports.direct : ports.tls
  const target = { host: '127.0.0.1', port: clientPort }
  const proxies = options.proxied === true ? [await startTcpProxy({ target })] : []
  const scheme = certificate === undefined ? 'amqp' : 'amqps'
  const server = await launchContainer({
    name: 'RabbitMQ',
    containerName,
    container: new RabbitMQContainer(images.rabbitmq)
      .withEnvironment({ RABBITMQ_DEFAULT_USER: username, RABBITMQ_DEFAULT_PASS: password })
      .withCopyContentToContainer([...configurationFiles(password, certificate, options)]),
    ports: (['direct', 'tls', 'management'] as const).map(name => ({ container: inside[name], host: ports[name] })),
    url: `${scheme}://${login}@127.0.0.1:${proxies[0]?.port ?? clientPort}`,
    readyPattern: /Server startup complete/,
    shutdownSignal: 'SIGTERM',
    startTimeoutMs: options.startTimeoutMs ?? 60_000,
    environmentVariable: 'MEKONG_RABBITMQ_URL',
    afterStop: async () => proxies[0]?.close(),
  })
  return Object.assign(server, {
    directUrl: `amqp://${login}@127.0.0.1:${ports.direct}`,
    managementUrl: `http://${login}@127.0.0.1:${ports.management}`,
    proxies,
    ca: certificate?.ca,
    control: (...command: readonly string[]) => runControl(containerName, command),
  })
}

function configurationFiles(
  password: string,
  certificate: ServerCertificate | undefined,
  { settings = {}, plugins = [] }: StartRabbitMqOptions,
): readonly { readonly target: string; readonly content: string }[] {
  const [caFile, certificateFile, keyFile] = ['ca.pem', 'server.pem', 'server.key'].map(
    name => `/etc/rabbitmq/mekong-${name}`,
  ) as [string, string, string]
  const tls = certificate === undefined ? undefined : { port: inside.tls, caFile, certificateFile, keyFile }
  const configuration = rabbitMqConfiguration(
    { directPort: inside.direct, managementPort: inside.management, username, password, tls },
    { ...containerAddresses(tls !== undefined), ...settings },
  )
  return [
    { target: '/etc/rabbitmq/conf.d/90-mekong.conf', content: configuration },
    { target: '/etc/rabbitmq/enabled_plugins', content: `[${['rabbitmq_management', ...plugins].join(',')}].\n` },
    ...(certificate === undefined
      ? []
      : [
          { target: caFile, content: certificate.ca },
          { target: certificateFile, content: certificate.certificate },
          { target: keyFile, content: certificate.key },
        ]),
  ]
}

// Outside the engine its ports are open on 127.0.0.1 only.
function containerAddresses(hasTls: boolean): RabbitMqSettings {
  return {
    'listeners.tcp.1': `0.0.0.0:${inside.direct}`,
    'management.tcp.ip': '0.0.0.0',
    ...(hasTls ? { 'listeners.ssl.1': `0.0.0.0:${inside.tls}` } : {}),
  }
}

async function runControl(containerName: string, command: readonly string[]): Promise<string> {
  const { client } = await containerSession()
  const container = client.container.getById(containerName)
  const { exitCode, stdout, output } = await client.container.exec(container, ['rabbitmqctl', ...command], {
    user: 'rabbitmq', // whose cookie it needs
  })
  if (exitCode !== 0) throw new Error(`rabbitmqctl ${command[0] ?? ''} failed: ${output.trim()}`)
  return stdout
}
