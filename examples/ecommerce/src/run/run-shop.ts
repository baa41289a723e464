import { setTimeout as delay } from 'node:timers/promises'
import type { Observer } from '@mekong/core'
import type { ServiceEntry } from '@mekong/saga'
import { readOrders as streamOrders, type RejectedLine, type Survey } from '../intake/read-orders.ts'
import { type MailServer, startMailServer } from '../mail/mail-server.ts'
import { mailSender } from '../mail/send-mail.ts'
import type { Surroundings } from '../platform/open-service.ts'
import { type Chaos, createChaos } from './chaos.ts'
import { checkInvariants, type Invariant } from './invariants.ts'
import { type Ledgers, readOrders, readPayments, readSendTimes, readStock } from './ledgers.ts'
import { Shop } from './shop.ts'
import { startTally, type Tally } from './tally.ts'

export interface RunOptions {
  readonly files: readonly string[]
  /** Of these files. */
  readonly survey: Survey
  readonly broker: string
  readonly databaseUrl: string
  readonly initialUnits: number
  readonly limitPence: number
  readonly chaosSeed: number | undefined
}

/** Hears how far the run is. */
export interface Progress {
  surveyed(survey: Survey): void
  /** Orders placed and orders ended so far. */
  moved(placed: number, ended: number): void
  /** Something happened that a spectator wants to know. */
  tell(line: string): void
}

export interface RunResult {
  readonly survey: Survey
  readonly ledgers: Ledgers
  readonly tally: Tally
  readonly invariants: readonly Invariant[]
  /** From the placing of an order to its email, in milliseconds, with the time of placing. */
  readonly latencies: readonly { readonly orderId: string; readonly placedMs: number; readonly tookMs: number }[]
  readonly emailsSentTwice: number
  readonly restarts: number
  /** From the first order placed to the last one ended. */
  readonly tookMs: number
  /** What had not ended when the run gave up; empty: everything ended. */
  readonly unfinished: readonly string[]
  /** Of one order of each outcome, by its id. */
  readonly timelines: ReadonlyMap<string, readonly ServiceEntry[]>
}

/** How many orders are placed at once. */
const placedAtOnce = 16
const pollMs = 100
/** A run in which nothing has moved for so long is given up. */
const stuckAfterMs = 60_000

/** Runs all orders of the files through the shop and reads the outcome from the ledgers. */
export async function runShop(options: RunOptions, progress: Progress): Promise<RunResult> {
  progress.surveyed(options.survey)
  await using mailServer = await startMailServer()
  const sender = mailSender(mailServer.port)
  const { tally, observe } = startTally()
  const chaos = options.chaosSeed === undefined ? undefined : createChaos(options.chaosSeed)
  try {
    const { initialUnits, limitPence } = options
    const shopOptions = { initialUnits, limitPence, sendMail: sender.send }
    await using shop = await Shop.open(shopOptions, surroundings(options, observe, chaos))
    return await run({ options, shop, mailServer, tally, chaos, progress })
  } finally {
    sender.close()
  }
}

function surroundings({ broker, databaseUrl }: RunOptions, observe: Observer, chaos: Chaos | undefined): Surroundings {
  if (chaos === undefined) return { broker, databaseUrl, observe }
  return { broker: chaos.openBroker, databaseUrl, observe, middleware: [chaos.middleware] }
}

interface Run {
  readonly options: RunOptions
  readonly shop: Shop
  readonly mailServer: MailServer
  readonly tally: Tally
  readonly chaos: Chaos | undefined
  readonly progress: Progress
}

async function run({ options, shop, mailServer, tally, chaos, progress }: Run): Promise<RunResult> {
  const { files, survey } = options
  const rejectedLines: RejectedLine[] = []
  const placing = { placed: 0 }
  const startedAt = performance.now()
  const over = new AbortController()
  const restarting = chaos === undefined ? undefined : restartNowAndThen(shop, chaos, over.signal, progress)
  const watching = watch({ shop, placing, total: survey.orders, chaos, progress })
  await placeAll(
    shop,
    streamOrders(files, survey, line => rejectedLines.push(line)),
    placing,
  )
  const unfinished = await watching
  const tookMs = performance.now() - startedAt
  over.abort()
  const restarts = (await restarting) ?? 0

  const ledgers: Ledgers = {
    orders: await shop.ask('order', ({ sql }) => readOrders(sql)),
    payments: await shop.ask('payment', ({ sql }) => readPayments(sql)),
    stock: await shop.ask('inventory', ({ sql }) => readStock(sql)),
    emails: mailServer.mails,
    rejectedLines,
  }
  const sentAt = await shop.ask('email', ({ sql }) => readSendTimes(sql))
  return {
    survey,
    ledgers,
    tally,
    invariants: await checkInvariants(
      ledgers,
      streamOrders(files, survey, () => undefined),
    ),
    latencies: ledgers.orders.flatMap(({ order_id, placed_ms }) => {
      const sentMs = sentAt.get(order_id)
      return sentMs === undefined ? [] : [{ orderId: order_id, placedMs: placed_ms, tookMs: sentMs - placed_ms }]
    }),
    emailsSentTwice: mailServer.sentTwice,
    restarts,
    tookMs,
    unfinished,
    timelines: await timelinesOf(shop, ledgers),
  }
}

async function placeAll(
  shop: Shop,
  orders: AsyncIterable<Parameters<Shop['place']>[0]>,
  placing: { placed: number },
): Promise<void> {
  const underWay = new Set<Promise<void>>()
  for await (const order of orders) {
    const placed = shop.place(order).then(() => {
      placing.placed++
      underWay.delete(placed)
    })
    underWay.add(placed)
    if (underWay.size >= placedAtOnce) await Promise.race(underWay)
  }
  await Promise.all(underWay)
}

interface Watch {
  readonly shop: Shop
  readonly placing: { readonly placed: number }
  readonly total: number
  readonly chaos: Chaos | undefined
  readonly progress: Progress
}

/** Until everything has ended, or nothing moves any more: then resolves with what has not. */
async function watch({ shop, placing, total, chaos, progress }: Watch): Promise<readonly string[]> {
  let movedAt = performance.now()
  let last = ''
  for (;;) {
    await delay(pollMs)
    const { placed } = placing
    // While a service restarts its tables cannot be asked.
    const unfinished = await shop.unfinished().catch(() => undefined)
    if (unfinished === undefined) continue
    progress.moved(placed, Math.max(0, placed - openOrders(unfinished)))
    if (placed === total && unfinished.length === 0) return []
    const now = `${placed} ${unfinished.join()}`
    if (now !== last) {
      movedAt = performance.now()
      last = now
    } else if (await mendDead(shop, chaos, progress)) movedAt = performance.now()
    else if (performance.now() - movedAt > stuckAfterMs) return [...unfinished, ...shop.problems()]
  }
}

function openOrders(unfinished: readonly string[]): number {
  return Number.parseInt(unfinished.find(line => line.endsWith('open orders')) ?? '0', 10)
}

/** When nothing but dead letters is left to move, the operator mends the cause and redrives them. */
async function mendDead(shop: Shop, chaos: Chaos | undefined, progress: Progress): Promise<boolean> {
  if (chaos === undefined) return false
  chaos.mend()
  const redriven = await shop.redriveDead().catch(() => 0)
  if (redriven > 0) progress.tell(`operator: the cause is mended, ${redriven} dead letters redriven`)
  return redriven > 0
}

async function restartNowAndThen(shop: Shop, chaos: Chaos, over: AbortSignal, progress: Progress): Promise<number> {
  let restarts = 0
  for (let next = chaos.nextRestart(); next !== undefined; next = chaos.nextRestart()) {
    await delay(next.afterMs, undefined, { signal: over }).catch(() => undefined)
    if (over.aborted) break
    progress.tell(`chaos: ${next.service} is cut off and started again`)
    await shop.restart(next.service)
    restarts++
  }
  return restarts
}

/** One order of each outcome, for the report. */
async function timelinesOf(shop: Shop, { orders }: Ledgers): Promise<RunResult['timelines']> {
  const timelines = new Map<string, readonly ServiceEntry[]>()
  for (const status of ['completed', 'cancelled', 'rejected', 'refunded']) {
    const order = orders.find(row => row.status === status)
    if (order !== undefined) timelines.set(order.order_id, await shop.timeline(order.order_id))
  }
  return timelines
}
