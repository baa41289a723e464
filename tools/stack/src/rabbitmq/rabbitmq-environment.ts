import { join } from 'node:path'

export interface RabbitMqIdentity {
  /** Where it keeps everything, as its home: Erlang's cookie is there too. */
  readonly folder: string
  /** Of the name server, which only this node uses. */
  readonly epmdPort: number
  /** Of what rabbitmqctl talks to. */
  readonly distributionPort: number
  readonly nodeName: string
}

const loopbackOnly = '-kernel inet_dist_use_interface {127,0,0,1}'

/** The environment of RabbitMQ's scripts: all that is told there keeps them off the machine's own RabbitMQ. */
export function rabbitMqEnvironment(identity: RabbitMqIdentity): Readonly<Record<string, string | undefined>> {
  const { folder, epmdPort, distributionPort, nodeName } = identity
  return {
    PATH: process.env['PATH'],
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    HOME: folder,
    RABBITMQ_HOME: folder,
    RABBITMQ_NODENAME: `${nodeName}@localhost`,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'logs'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_DIST_PORT: String(distributionPort),
    // Its shell would stay the parent of Erlang otherwise, which then would not be the process that is signalled.
    RABBITMQ_ALLOW_INPUT: 'true',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `${loopbackOnly} -noinput`,
    RABBITMQ_CTL_ERL_ARGS: loopbackOnly,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(epmdPort),
  }
}
