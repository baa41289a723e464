import { setTimeout as delay } from 'node:timers/promises'
import { openPostgres } from '@mekong/stack'
import { UsageError } from '../../cli/options.ts'
import { mailSender } from '../../mail/send-mail.ts'
import type { Surroundings } from '../../platform/open-service.ts'
import type { Progress } from '../progress.ts'
import type { OpenStage, Trouble } from '../stage.ts'
import { type Chaos, createChaos } from './chaos.ts'
import { OneProcessShop } from './one-process-shop.ts'

/** All four services in this process, on the memory broker and a Postgres of the run. */
export function oneProcessStage(chaosSeed: number | undefined): OpenStage {
  return async ({ initialUnits, limitPence, smtpUrl, progress }) => {
    const stack = new AsyncDisposableStack()
    try {
      const postgres = stack.use(
        await openPostgres().catch((cause: Error) => {
          throw new UsageError(cause.message, { cause })
        }),
      )
      const { url: databaseUrl } = stack.use(await postgres.createDatabase())
      const sender = mailSender(smtpUrl)
      stack.defer(() => sender.close())
      const chaos = chaosSeed === undefined ? undefined : createChaos(chaosSeed)
      const shopOptions = { initialUnits, limitPence, sendMail: sender.send }
      const shop = stack.use(await OneProcessShop.open(shopOptions, surroundings(databaseUrl, chaos)))
      const trouble = chaos === undefined ? undefined : restarts(shop, chaos, progress)
      return { shop, databaseUrl, trouble, [Symbol.asyncDispose]: () => stack.disposeAsync() }
    } catch (error) {
      await stack.disposeAsync()
      throw error
    }
  }
}

function surroundings(databaseUrl: string, chaos: Chaos | undefined): Surroundings {
  if (chaos === undefined) return { broker: 'memory://shop', databaseUrl }
  return { broker: chaos.openBroker, databaseUrl, middleware: [chaos.middleware] }
}

function restarts(shop: OneProcessShop, chaos: Chaos, progress: Progress): Trouble {
  let restarted = 0
  return {
    async cause(over) {
      for (let next = chaos.nextRestart(); next !== undefined; next = chaos.nextRestart()) {
        await delay(next.afterMs, undefined, { signal: over }).catch(() => undefined)
        if (over.aborted) break
        progress.tell(`chaos: ${next.service} is cut off and started again`)
        await shop.restart(next.service)
        restarted++
      }
    },
    mayPlace: () => Promise.resolve(),
    mend: () => chaos.mend(),
    get restarts() {
      return restarted
    },
    kills: [],
  }
}
