import { startKafka } from '../kafka/start-kafka.ts'
import { startRabbitMq } from '../rabbitmq/start-rabbitmq.ts'
import { startRedis } from '../redis/start-redis.ts'
import type { Server } from '../server.ts'

/** What suites are told of a server that they share. */
export interface SharedServer {
  /** The address for clients, credentials included. */
  readonly url: string
}

export interface SharedRabbitMq extends SharedServer {
  /** Of the management API, with a login; for `requestManagement`. */
  readonly managementUrl: string
}

interface StartedSharedServer {
  readonly address: SharedServer
  stop(): Promise<void>
}

/** How each server that suites share is started, by its name. */
export type SharedServerStarts = Readonly<Record<string, () => Promise<StartedSharedServer>>>

type Environment = Readonly<Record<string, string | undefined>>

/** Servers that the environment names are not started, and never stopped. */
export function sharedServerStarts(environment: Environment = process.env): SharedServerStarts {
  const { MEKONG_KAFKA_URL, MEKONG_RABBITMQ_URL, MEKONG_REDIS_URL } = environment
  return {
    redis: async () => (MEKONG_REDIS_URL ? somebodys({ url: MEKONG_REDIS_URL }) : ours(await startRedis(inMemory))),
    kafka: async () => (MEKONG_KAFKA_URL ? somebodys({ url: MEKONG_KAFKA_URL }) : ours(await startKafka(patientKafka))),
    rabbitmq: async () => {
      if (MEKONG_RABBITMQ_URL) return somebodys(rabbitMqOf(MEKONG_RABBITMQ_URL, environment))
      const server = await startRabbitMq(inMemory)
      const address: SharedRabbitMq = { url: server.url, managementUrl: server.managementUrl }
      return { ...ours(server), address }
    },
  }
}

const inMemory = { storage: 'memory' } as const

// Nobody kills it, so nothing is won by taking it for dead after a second, which a busy machine may need.
const patientKafka = { ...inMemory, settings: { 'broker.session.timeout.ms': 9000 } } as const

function ours(server: Server): StartedSharedServer {
  return { address: { url: server.url }, stop: () => server.stop() }
}

function somebodys(address: SharedServer): StartedSharedServer {
  return { address, stop: () => Promise.resolve() }
}

/** The management API is where RabbitMQ has it by default, unless MEKONG_RABBITMQ_MANAGEMENT_URL says otherwise. */
function rabbitMqOf(url: string, environment: Environment): SharedRabbitMq {
  const { hostname, username, password } = new URL(url)
  const login = username === '' ? 'guest:guest' : `${username}:${password}`
  const managementUrl = environment['MEKONG_RABBITMQ_MANAGEMENT_URL'] || `http://${login}@${hostname}:15672`
  return { url, managementUrl }
}
