import { postgresInbox } from '@mekong/postgres'
import { announce, untilTold } from '@mekong/stack'
import { joinOrderSaga, orderSteps } from '../order-services.ts'
import { openSql, tableOutbox } from '../saga-database.ts'

// Takes one order.created to the step `reserve`, and stands still at one place of it until it is told to go on.
const [url, place, orderId] = process.argv.slice(2) as [string, string, string]
const { sql, end } = openSql(url)

const stopAt = async (here: string): Promise<void> => {
  if (here !== place) return
  await announce('in step')
  await untilTold('go on')
}

const database = {
  sql,
  inbox: postgresInbox({ sql, idleTimeoutMs: 1_000 }),
  outbox: {
    publish: async (...event: Parameters<typeof tableOutbox.publish>) => {
      await tableOutbox.publish(...event)
      await stopAt('published')
    },
  },
}

const inventory = joinOrderSaga('inventory', database, {
  ...orderSteps.inventory,
  reserve: async (event, step) => {
    await stopAt('begun')
    await orderSteps.inventory.reserve(event, step)
    await stopAt('done')
  },
})

try {
  await inventory.deliver({ id: orderId, type: 'order.created', data: { orderId, total: 10 }, correlationId: orderId })
  await announce('ended', 'committed')
} catch (error) {
  await announce('ended', (error as { code?: string }).code)
}
await end()
