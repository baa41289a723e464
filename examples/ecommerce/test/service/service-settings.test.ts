import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readSettings, SettingsError, variableNames } from '../../src/service/service-settings.ts'

const least = { EVENT_BUS_URL: 'kafka://a:9092,b:9092', DATABASE_URL: 'postgres://shop@localhost/shop' }

function refusalOf(environment: NodeJS.ProcessEnv, service: 'order' | 'email' = 'order'): string {
  try {
    readSettings(service, environment)
  } catch (error) {
    if (error instanceof SettingsError) return error.message
    throw error
  }
  throw new Error('it was taken')
}

describe('readSettings', () => {
  it('needs a broker and a database, and has a default for the rest', () => {
    expect(readSettings('order', least)).toEqual({
      broker: 'kafka://a:9092,b:9092',
      databaseUrl: 'postgres://shop@localhost/shop',
      redisUrl: undefined,
      smtpUrl: undefined,
      httpHost: '127.0.0.1',
      httpPort: 8080,
      initialUnits: 1_000_000,
      limitPence: 500_000,
      shutdownTimeoutMs: 10_000,
      logLevel: 'info',
    })
  })

  it('takes each variable', () => {
    const environment = {
      EVENT_BUS_URL: 'amqps://user:pass@a,b/shop',
      DATABASE_URL: 'postgresql://shop@localhost/shop',
      REDIS_URL: 'rediss://cache:6380',
      SMTP_URL: 'smtps://user:pass@mail',
      HTTP_HOST: '0.0.0.0',
      HTTP_PORT: '0',
      INITIAL_UNITS: '20',
      PAYMENT_LIMIT_PENCE: '0',
      SHUTDOWN_TIMEOUT_MS: '250',
      LOG_LEVEL: 'debug',
    }
    expect(Object.keys(environment).toSorted()).toEqual(variableNames.toSorted())
    expect(readSettings('email', environment)).toEqual({
      broker: environment.EVENT_BUS_URL,
      databaseUrl: environment.DATABASE_URL,
      redisUrl: environment.REDIS_URL,
      smtpUrl: environment.SMTP_URL,
      httpHost: '0.0.0.0',
      httpPort: 0,
      initialUnits: 20,
      limitPence: 0,
      shutdownTimeoutMs: 250,
      logLevel: 'debug',
    })
  })

  it('takes what is empty as not set', () => {
    expect(readSettings('order', { ...least, REDIS_URL: '', HTTP_PORT: '' })).toMatchObject({
      redisUrl: undefined,
      httpPort: 8080,
    })
    expect(refusalOf({ ...least, DATABASE_URL: '' })).toContain('DATABASE_URL is missing')
  })

  it('names everything that is missing, a line each', () => {
    expect(refusalOf({}, 'email').split('\n')).toEqual([
      'EVENT_BUS_URL is missing; it is a URL like kafka://localhost:9092',
      'DATABASE_URL is missing; it is a URL like postgres://user:password@localhost:5432/shop',
      'SMTP_URL is missing; it is a URL like smtp://localhost:1025',
    ])
  })

  it.each([
    ['EVENT_BUS_URL', 'http://user:secret@a', 'kafka:, kafka+ssl:, amqp:, amqps:'],
    ['DATABASE_URL', 'mysql://user:secret@a', 'postgres:, postgresql:'],
    ['REDIS_URL', 'secret', 'redis:, rediss:'],
    ['SMTP_URL', 'secret', 'smtp:, smtps:'],
    ['HTTP_PORT', '65536', 'more than 65,535'],
    ['HTTP_PORT', '-1', 'a whole number from 0 to 65,535'],
    ['INITIAL_UNITS', '1e3', 'a whole number'],
    ['PAYMENT_LIMIT_PENCE', '12.5', 'a whole number'],
    ['SHUTDOWN_TIMEOUT_MS', '10s', 'a whole number'],
    ['LOG_LEVEL', 'loud', 'fatal, error, warn, info, debug, trace, silent'],
  ])('says what %s may be, and not what it is', (name, value, allowed) => {
    const message = refusalOf({ ...least, [name]: value })
    expect(message).toMatch(new RegExp(`^${name} `))
    expect(message).toContain(allowed)
    expect(message).not.toContain('\n')
    expect(message).not.toContain('secret')
  })

  it.each(variableNames)('has a row for %s in the README', name => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    expect(readme).toMatch(new RegExp(`^\\| .*\`${name}\``, 'm'))
  })
})
