import { MekongError, type Adapter, type BrokerUrl, type Driver } from '@mekong/core/driver'
import { rabbitmq } from './rabbitmq-driver.ts'
import { numberOptions, type NumberOption, type RabbitMqOptions } from './rabbitmq-driver-options.ts'

/**
 * Opens `amqp://user:password@host:port,host:port/vhost?queues=16` and `amqps://…`. The parameters are the options of
 * `rabbitmq()` that are numbers, and `replay` with topics between commas. Connects when it is first used.
 */
export const adapter: Adapter = {
  schemes: ['amqp', 'amqps'],
  async open(url: BrokerUrl): Promise<Driver> {
    return rabbitmq(optionsOfUrl(url))
  },
}

/** @throws MekongError INVALID_CONFIGURATION; messages never repeat the URL */
export function optionsOfUrl(url: BrokerUrl): RabbitMqOptions {
  if (url.hosts.length === 0) {
    throw new MekongError(
      'INVALID_CONFIGURATION',
      'broker URL: it has no host; write amqp://user:password@host:5672/vhost',
    )
  }
  const hosts = url.hosts.map(({ host, port }) => {
    const address = host.includes(':') ? `[${host}]` : host
    return port === undefined ? address : `${address}:${port}`
  })
  return {
    hosts,
    tls: url.scheme === 'amqps',
    ...(url.username !== undefined && { username: url.username }),
    ...(url.password !== undefined && { password: url.password }),
    ...(url.path !== undefined && { vhost: url.path }),
    ...parametersOf(url.parameters),
  }
}

function parametersOf(parameters: URLSearchParams): Partial<RabbitMqOptions> {
  const options: { replay?: readonly string[] } & { [name in NumberOption]?: number } = {}
  for (const [name, value] of parameters) {
    if (name === 'replay') options.replay = value.split(',')
    else if (isNumberOption(name)) options[name] = Number(value)
    else {
      throw new MekongError(
        'INVALID_CONFIGURATION',
        `broker URL: ${name} is not a parameter; the parameters are ${[...numberOptions, 'replay'].join(', ')}`,
      )
    }
  }
  return options
}

function isNumberOption(name: string): name is NumberOption {
  return (numberOptions as readonly string[]).includes(name)
}
