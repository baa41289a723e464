import {
  type KafkaServer,
  openPostgres,
  type RabbitMqServer,
  type Server,
  startKafka,
  startPostgres,
  startRabbitMq,
  startRedis,
  syncDeclarations,
} from '@mekong/stack'
import type { BrokerName } from '../cli/options.ts'

export type ProcessBroker = Exclude<BrokerName, 'memory'>

/** What the four services need beside each other, started for this run. */
export interface Servers extends AsyncDisposable {
  readonly broker: Server
  readonly redis: Server
  /** Undefined: it is the one that the environment names, and somebody else's. */
  readonly postgres: Server | undefined
  readonly databaseUrl: string
  /**
   * Resolves when the broker has written down what the services declared: a RabbitMQ does that some seconds later by
   * itself, and forgets a queue when it is killed before.
   */
  settleDeclarations(): Promise<void>
}

/** Postgres alone may be the environment's, unless it is to be killed. Rejects when one does not come up. */
export async function startServers(broker: ProcessBroker, isToBeKilled: boolean): Promise<Servers> {
  const stack = new AsyncDisposableStack()
  const starting = [
    startBroker(broker).then(server => stack.use(server)),
    startRedis().then(server => stack.use(server)),
    (isToBeKilled ? startPostgres() : openPostgres()).then(server => stack.use(server)),
  ] as const
  try {
    const [brokerServer, redis, postgres] = await Promise.all(starting)
    const { url: databaseUrl } = stack.use(await postgres.createDatabase())
    return {
      broker: brokerServer,
      redis,
      postgres: 'restart' in postgres ? postgres : undefined,
      databaseUrl,
      settleDeclarations: async () => ('control' in brokerServer ? syncDeclarations(brokerServer) : undefined),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await Promise.allSettled(starting)
    await stack.disposeAsync()
    throw error
  }
}

function startBroker(broker: ProcessBroker): Promise<KafkaServer | RabbitMqServer> {
  switch (broker) {
    case 'kafka':
      return startKafka()
    case 'rabbitmq':
      return startRabbitMq()
  }
}
