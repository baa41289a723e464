/** Settings by their names in rabbitmq.conf. */
export type RabbitMqSettings = Readonly<Record<string, string | number | boolean>>

export interface RabbitMqAddresses {
  readonly directPort: number
  readonly managementPort: number
  readonly username: string
  readonly password: string
  /** The listener for TLS and its files, all PEM. */
  readonly tls?: RabbitMqTls | undefined
}

export interface RabbitMqTls {
  readonly port: number
  readonly caFile: string
  readonly certificateFile: string
  readonly keyFile: string
}

/** The text of a rabbitmq.conf; the caller's settings win over the ones of this module. */
export function rabbitMqConfiguration(addresses: RabbitMqAddresses, settings: RabbitMqSettings): string {
  const { directPort, managementPort, username, password, tls } = addresses
  const all: RabbitMqSettings = {
    'listeners.tcp.1': `127.0.0.1:${directPort}`,
    'management.tcp.ip': '127.0.0.1',
    'management.tcp.port': managementPort,
    default_user: username,
    default_pass: password,
    loopback_users: 'none',
    'disk_free_limit.absolute': '50MB',
    'log.console': true,
    'log.console.level': 'info',
    ...(tls === undefined ? {} : tlsSettings(tls)),
    ...settings,
  }
  return Object.entries(all)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('')
}

function tlsSettings({ port, caFile, certificateFile, keyFile }: RabbitMqTls): RabbitMqSettings {
  return {
    'listeners.ssl.1': `127.0.0.1:${port}`,
    'ssl_options.cacertfile': caFile,
    'ssl_options.certfile': certificateFile,
    'ssl_options.keyfile': keyFile,
    'ssl_options.verify': 'verify_none', // clients log in by password
  }
}
