import { runService } from './service/run-service.ts'
import { described, serviceLog } from './service/service-log.ts'
import { readSettings, SettingsError } from './service/service-settings.ts'
import { serviceNames } from './shop-services.ts'

/** What a drain may take beyond its own deadline before the process ends all the same. */
const graceMs = 5000

/** 0: ended as it was told. 1: it failed; the log says why. 2: what it was told is wrong. */
async function main(): Promise<number> {
  const [given, ...more] = process.argv.slice(2)
  const service = serviceNames.find(name => name === given)
  if (service === undefined || more.length > 0) {
    process.stderr.write(`npm run service -- <name>; the names are ${serviceNames.join(', ')}\n`)
    return 2
  }
  const settings = readSettings(service, process.env)
  const log = serviceLog(service, settings)
  const fail = (message: string) => (error: unknown) => {
    log.fatal(described(error), message)
    process.exit(1)
  }
  process.on('uncaughtException', fail('an error that nobody caught'))

  const ending = new AbortController()
  const end = (): void => {
    ending.abort()
    setTimeout(() => fail('the service ends')('it did not drain in time'), settings.shutdownTimeoutMs + graceMs).unref()
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end)
  try {
    await runService({ service, settings, log, ending: ending.signal })
  } catch (error) {
    fail('the service ends')(error)
  }
  log.info('ended')
  return 0
}

try {
  // What is half open must not keep the process alive.
  process.exit(await main())
} catch (error) {
  if (!(error instanceof SettingsError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}
