import type { Logger } from 'pino'
import type { SendMail } from '../email/email-service.ts'
import { mailSender } from '../mail/send-mail.ts'
import type { Dependency, RunningService, ServiceName } from '../platform/open-service.ts'
import { serviceControl } from '../platform/service-control.ts'
import { startTally } from '../platform/tally.ts'
import { countOpen, openShopService } from '../shop-services.ts'
import { openPatiently, untilAborted } from './open-patiently.ts'
import { serveEndpoints } from './service-endpoints.ts'
import { described, logSignal } from './service-log.ts'
import type { ServiceSettings } from './service-settings.ts'
import { type ServiceStage, shopEndpoints } from './shop-endpoints.ts'

export interface ServiceProcessParts {
  readonly service: ServiceName
  readonly settings: ServiceSettings
  readonly log: Logger
  /** Aborted when this process is to end. */
  readonly ending: AbortSignal
}

/**
 * Runs one service until it is told to end, then drains it. While its database or its broker is away it waits, and says so.
 * Rejects with what waiting does not mend. Told to end before it was open, it leaves what is half open to the end of the
 * process: nothing of that was taken for good.
 */
export async function runService({ service, settings, log, ending }: ServiceProcessParts): Promise<void> {
  const stage: ServiceStage = { running: undefined, control: undefined, waitsFor: undefined, isDraining: false }
  const endpoints = await serveEndpoints({
    host: settings.httpHost,
    port: settings.httpPort,
    endpoints: shopEndpoints(service, stage),
    failed: error => log.error(described(error), 'request failed'),
  })
  log.info({ host: settings.httpHost, port: endpoints.port }, 'answers over HTTP')
  const sender = settings.smtpUrl === undefined ? undefined : mailSender(settings.smtpUrl)
  try {
    const { tally, observe } = startTally()
    const sendMail = sender?.send ?? noMail
    const running = await openPatiently({
      open: needs => open({ service, settings, log, sendMail, observe, needs }),
      log,
      ending,
      waits: dependency => (stage.waitsFor = dependency),
    })
    if (running === undefined) return
    stage.control = serviceControl({ running, tally, countOpen })
    stage.running = running
    log.info('ready')
    await untilAborted(ending)
    stage.isDraining = true
    log.info({ withinMs: settings.shutdownTimeoutMs }, 'draining')
    await running.close({ timeoutMs: settings.shutdownTimeoutMs })
  } finally {
    sender?.close()
    await endpoints.close()
  }
}

interface Opening extends Pick<ServiceProcessParts, 'service' | 'settings' | 'log'> {
  readonly sendMail: SendMail
  readonly observe: ReturnType<typeof startTally>['observe']
  readonly needs: (dependency: Dependency) => void
}

function open({ service, settings, log, sendMail, observe, needs }: Opening): Promise<RunningService> {
  const { broker, databaseUrl, redisUrl, initialUnits, limitPence } = settings
  return openShopService(
    service,
    { initialUnits, limitPence, sendMail },
    {
      broker,
      databaseUrl,
      redisUrl,
      needs,
      observe(signal) {
        observe(signal)
        logSignal(log, signal)
      },
    },
  )
}

/** For the three services that send none. */
const noMail: SendMail = () => Promise.reject(new Error('SMTP_URL is not set'))
