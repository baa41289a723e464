import { z } from 'zod'
import type { ServiceName } from '../platform/open-service.ts'

/** What a service of its own process is told by its environment. */
export interface ServiceSettings {
  readonly broker: string
  readonly databaseUrl: string
  readonly redisUrl: string | undefined
  /** There for the email service. */
  readonly smtpUrl: string | undefined
  readonly httpHost: string
  readonly httpPort: number
  readonly initialUnits: number
  readonly limitPence: number
  readonly shutdownTimeoutMs: number
  readonly logLevel: (typeof logLevels)[number]
}

/** A variable is missing or wrong: a line for each, with its name and what is allowed, never its value. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const longestTimeoutMs = 24 * 60 * 60 * 1000

/** A broker URL may have several hosts, so a URL is known by how it begins. */
const url = (example: string, ...schemes: readonly string[]): z.ZodString =>
  z
    .string({ error: `is missing; it is a URL like ${example}` })
    .regex(new RegExp(`^(${schemes.join('|').replaceAll('+', '\\+')}):`, 'i'), {
      error: `does not begin with one of ${schemes.map(scheme => `${scheme}:`).join(', ')}; like ${example}`,
    })

const smtpUrl = url('smtp://localhost:1025', 'smtp', 'smtps')

const wholeNumber = (most: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,15}$/, { error: `is not a whole number from 0 to ${most.toLocaleString('en-GB')}` })
    .transform(Number)
    .refine(value => value <= most, { error: `is more than ${most.toLocaleString('en-GB')}` })

const variables = z.object({
  EVENT_BUS_URL: url('kafka://localhost:9092', 'kafka', 'kafka+ssl', 'amqp', 'amqps', 'memory'),
  DATABASE_URL: url('postgres://user:password@localhost:5432/shop', 'postgres', 'postgresql'),
  REDIS_URL: url('redis://localhost:6379', 'redis', 'rediss').optional(),
  SMTP_URL: smtpUrl.optional(),
  HTTP_HOST: z.string().default('127.0.0.1'),
  HTTP_PORT: wholeNumber(65_535).default(8080),
  INITIAL_UNITS: wholeNumber(1_000_000_000_000).default(1_000_000),
  PAYMENT_LIMIT_PENCE: wholeNumber(100_000_000_000).default(500_000),
  SHUTDOWN_TIMEOUT_MS: wholeNumber(longestTimeoutMs).default(10_000),
  LOG_LEVEL: z.enum(logLevels, { error: `is none of ${logLevels.join(', ')}` }).default('info'),
})

/** Every variable that a service reads. */
export const variableNames: readonly string[] = Object.keys(variables.shape)

/**
 * Reads the environment once. What is empty counts as not set.
 * @throws SettingsError
 */
export function readSettings(service: ServiceName, environment: NodeJS.ProcessEnv): ServiceSettings {
  // Only the email service sends mails.
  const wanted = service === 'email' ? variables.extend({ SMTP_URL: smtpUrl }) : variables
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const { success, data, error } = wanted.safeParse(given)
  if (!success) throw new SettingsError(error.issues.map(({ path, message }) => `${path.join()} ${message}`).join('\n'))
  return {
    broker: data.EVENT_BUS_URL,
    databaseUrl: data.DATABASE_URL,
    redisUrl: data.REDIS_URL,
    smtpUrl: data.SMTP_URL,
    httpHost: data.HTTP_HOST,
    httpPort: data.HTTP_PORT,
    initialUnits: data.INITIAL_UNITS,
    limitPence: data.PAYMENT_LIMIT_PENCE,
    shutdownTimeoutMs: data.SHUTDOWN_TIMEOUT_MS,
    logLevel: data.LOG_LEVEL,
  }
}
