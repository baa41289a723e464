import type { ServiceEntry } from '@mekong/saga'
import { readOrders as streamOrders, type RejectedLine, type Survey } from '../intake/read-orders.ts'
import { type MailAddress, type MailServer, startMailServer } from '../mail/mail-server.ts'
import type { Tally } from '../platform/tally.ts'
import { checkInvariants, type Invariant } from './invariants.ts'
import { type Latency, type Ledgers, readLedgers } from './ledgers.ts'
import { placeAll } from './placing.ts'
import type { Progress } from './progress.ts'
import { type Shop, timelineOf } from './shop.ts'
import type { Kill, OpenStage, Stage } from './stage.ts'
import { watch } from './watching.ts'

export interface RunOptions {
  readonly files: readonly string[]
  /** Of these files. */
  readonly survey: Survey
  readonly initialUnits: number
  readonly limitPence: number
  /** Where the mail server of this run listens. @default a free port, for this machine only */
  readonly mail?: MailAddress | undefined
}

export interface RunResult {
  readonly survey: Survey
  readonly ledgers: Ledgers
  readonly tally: Tally
  readonly invariants: readonly Invariant[]
  readonly latencies: readonly Latency[]
  readonly emailsSentTwice: number
  readonly restarts: number
  readonly kills: readonly Kill[]
  /** From the first order placed to the last one ended. */
  readonly tookMs: number
  /** What had not ended when the run gave up; empty: everything ended. */
  readonly unfinished: readonly string[]
  /** Of one order of each outcome, by its id. */
  readonly timelines: ReadonlyMap<string, readonly ServiceEntry[]>
}

/** Runs all orders of the files through the shop and reads the outcome from the ledgers. */
export async function runShop(options: RunOptions, openStage: OpenStage, progress: Progress): Promise<RunResult> {
  const { survey, initialUnits, limitPence, mail = { host: '127.0.0.1', port: 0 } } = options
  await using mailServer = await startMailServer(mail)
  const smtpUrl = `smtp://127.0.0.1:${mailServer.port}`
  await using stage = await openStage({ initialUnits, limitPence, smtpUrl, orders: survey.orders, progress })
  progress.surveyed(survey)
  return await run({ options, stage, mailServer, progress })
}

interface Run {
  readonly options: RunOptions
  readonly stage: Stage
  readonly mailServer: MailServer
  readonly progress: Progress
}

async function run(parts: Run): Promise<RunResult> {
  const { options, stage, mailServer } = parts
  const { files, survey } = options
  const rejectedLines: RejectedLine[] = []
  const startedAt = performance.now()
  const unfinished = await untilEnded(parts, line => rejectedLines.push(line))
  const tookMs = performance.now() - startedAt

  const { mails: emails, sentTwice } = mailServer
  const { ledgers, latencies } = await readLedgers(stage.databaseUrl, { emails, rejectedLines })
  const input = streamOrders(files, survey, () => undefined)
  return {
    survey,
    ledgers,
    tally: await stage.shop.tally(),
    invariants: await checkInvariants(ledgers, input),
    latencies,
    emailsSentTwice: sentTwice,
    restarts: stage.trouble?.restarts ?? 0,
    kills: stage.trouble?.kills ?? [],
    tookMs,
    unfinished,
    timelines: await timelinesOf(stage.shop, ledgers),
  }
}

/** Places all orders while whatever is to go wrong goes wrong; resolves with what has not ended. */
async function untilEnded(
  { options: { files, survey }, stage: { shop, trouble }, mailServer, progress }: Run,
  reject: (line: RejectedLine) => void,
): Promise<readonly string[]> {
  const placing = { placed: 0 }
  const over = new AbortController()
  const causing = trouble?.cause(over.signal) ?? Promise.resolve()
  const orders = streamOrders(files, survey, reject)
  const countEmails = (): number => mailServer.mails.length
  const ending = Promise.all([
    watch({ shop, placing, total: survey.orders, countEmails, trouble, progress }, over.signal),
    placeAll({ shop, orders, placing, trouble }),
  ])
  try {
    const [unfinished] = await Promise.race([ending, failureOf(causing), shop.broken])
    return unfinished
  } finally {
    over.abort()
    await causing
  }
}

/** Rejects when the promise does, and else never settles. */
async function failureOf(promise: Promise<unknown>): Promise<never> {
  await promise
  return new Promise(() => undefined)
}

/** One order of each outcome, for the report. */
async function timelinesOf(shop: Shop, { orders }: Ledgers): Promise<RunResult['timelines']> {
  const timelines = new Map<string, readonly ServiceEntry[]>()
  for (const status of ['completed', 'cancelled', 'rejected', 'refunded']) {
    const order = orders.find(row => row.status === status)
    if (order !== undefined) timelines.set(order.order_id, await timelineOf(shop, order.order_id))
  }
  return timelines
}
