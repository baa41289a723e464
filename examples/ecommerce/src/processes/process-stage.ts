import { setTimeout as delay } from 'node:timers/promises'
import type { Server } from '@mekong/stack'
import { UsageError } from '../cli/options.ts'
import { duration } from '../output/figures.ts'
import type { OpenStage, StageOptions, Trouble } from '../run/stage.ts'
import { serviceNames } from '../shop-services.ts'
import { killPlan } from './kill-plan.ts'
import { killing, type Victim } from './killing.ts'
import { openProcessShop, type ProcessShop } from './process-shop.ts'
import { type ProcessBroker, type Servers, startServers } from './servers.ts'

export interface ProcessStageOptions {
  readonly broker: ProcessBroker
  /** Undefined: nothing is killed. */
  readonly killSeed: number | undefined
}

/** Each service in a process of its own, on a broker, a Postgres and a Redis started for this run. */
export function processStage({ broker, killSeed }: ProcessStageOptions): OpenStage {
  return async options => {
    const { progress } = options
    const stack = new AsyncDisposableStack()
    try {
      progress.tell(`starting ${titles[broker]}, Postgres and Redis for this run`)
      const startedAt = performance.now()
      const since = (): string => duration(performance.now() - startedAt)
      const servers = stack.use(
        await startServers(broker, killSeed !== undefined).catch((cause: Error) => {
          throw new UsageError(cause.message, { cause })
        }),
      )
      progress.tell(`they are up after ${since()}; starting ${serviceNames.join(', ')}, each in a process of its own`)
      const shop = stack.use(
        await openProcessShop({ environment: environmentOf(broker, servers, options), ...progress }),
      )
      progress.tell(`ready after ${since()}`)
      const trouble = killSeed === undefined ? undefined : kills(killSeed, { broker, servers, shop, options })
      const { databaseUrl } = servers
      return { shop, databaseUrl, trouble, [Symbol.asyncDispose]: () => stack.disposeAsync() }
    } catch (error) {
      await stack.disposeAsync()
      throw error
    }
  }
}

const titles: Readonly<Record<ProcessBroker, string>> = { kafka: 'Kafka', rabbitmq: 'RabbitMQ' }

/** Whoever is killed is missed, and whoever comes back is found, within seconds. */
const parameters: Readonly<Record<ProcessBroker, string>> = {
  kafka: 'sessionTimeoutMs=6000&heartbeatIntervalMs=1000',
  rabbitmq: 'maxReconnectDelayMs=1000',
}

/** What `npm run service` reads. */
function environmentOf(
  name: ProcessBroker,
  { broker, redis, databaseUrl }: Servers,
  { smtpUrl, initialUnits, limitPence }: StageOptions,
): Readonly<Record<string, string>> {
  return {
    EVENT_BUS_URL: `${broker.url}?${parameters[name]}`,
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis.url,
    SMTP_URL: smtpUrl,
    HTTP_HOST: '127.0.0.1',
    INITIAL_UNITS: String(initialUnits),
    PAYMENT_LIMIT_PENCE: String(limitPence),
    SHUTDOWN_TIMEOUT_MS: '10000',
    LOG_LEVEL: 'info',
  }
}

interface KillingParts {
  readonly broker: ProcessBroker
  readonly servers: Servers
  readonly shop: ProcessShop
  readonly options: StageOptions
}

function kills(seed: number, { broker, servers, shop, options: { orders, progress } }: KillingParts): Trouble {
  const victims = new Map<string, Victim>([
    [broker, { ...serverVictim(servers.broker), mayBeKilled: servers.settleDeclarations() }],
    ['redis', serverVictim(servers.redis)],
    ...(servers.postgres === undefined ? [] : [['postgres', serverVictim(servers.postgres)] as const]),
    ...shop.processes.map(
      process => [process.service, { kill: () => process.kill(), comeBack: () => process.untilReady() }] as const,
    ),
  ])
  const plan = killPlan({ seed, victims: [...victims.keys()], orders })
  return killing({ plan, victims, orders, progress })
}

function serverVictim(server: Server): Victim {
  return {
    kill: () => server.kill(),
    async comeBack(awayMs) {
      await delay(awayMs)
      await server.restart()
    },
  }
}
