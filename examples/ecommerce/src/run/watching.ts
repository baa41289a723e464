import { type Clock, systemClock } from '@mekong/core'
import { wait } from '@mekong/core/driver'
import type { Placing } from './placing.ts'
import type { Progress } from './progress.ts'
import { problems, redriveDead, type Shop, unfinished } from './shop.ts'
import type { Trouble } from './stage.ts'

const pollMs = 100
/** A run in which nothing has moved for so long is given up. */
const stuckAfterMs = 60_000
/** Where a service cannot be asked, it may be killed again and again, and much may move that nobody sees. */
const unansweredAfterMs = 180_000

export interface Watch {
  readonly shop: Shop
  readonly placing: Readonly<Placing>
  readonly total: number
  /** How many emails have arrived, each order's once. */
  readonly countEmails: () => number
  readonly trouble: Trouble | undefined
  readonly progress: Progress
  /** For tests. */
  readonly clock?: Clock
}

/** Until everything has ended, or nothing moves any more: then resolves with what has not. Rejects when it is over. */
export async function watch(
  { shop, placing, total, countEmails, trouble, progress, clock = systemClock }: Watch,
  over: AbortSignal,
): Promise<readonly string[]> {
  let movedAt = clock.monotonic()
  let last = ''
  for (;;) {
    await wait(clock, pollMs, over)
    over.throwIfAborted()
    const { placed } = placing
    const emails = countEmails()
    // While a service restarts it cannot be asked.
    const open = await unfinished(shop).catch(() => undefined)
    // The last step leaves no trace before it is done: on a broker of its own an event may wait for it there.
    const left = open?.length === 0 ? missing(placed - emails) : open
    if (left !== undefined) progress.moved(placed, Math.max(0, placed - openOrders(left)))
    if (placed === total && left?.length === 0) return []
    const now = [placed, emails, ...(left ?? ['no answer'])].join()
    if (now !== last || (left !== undefined && (await mendDead(shop, trouble, progress)))) movedAt = clock.monotonic()
    last = now
    if (clock.monotonic() - movedAt > (left === undefined ? unansweredAfterMs : stuckAfterMs))
      return [...(left ?? []), ...(await problems(shop))]
  }
}

function missing(emails: number): readonly string[] {
  return emails > 0 ? [`${emails} emails that were not sent`] : []
}

function openOrders(left: readonly string[]): number {
  return Number.parseInt(left.find(line => line.endsWith('open orders')) ?? '0', 10)
}

/** When nothing but dead letters is left to move, the operator mends the cause and redrives them. */
async function mendDead(shop: Shop, trouble: Trouble | undefined, progress: Progress): Promise<boolean> {
  if (trouble === undefined) return false
  trouble.mend()
  const redriven = await redriveDead(shop).catch(() => 0)
  if (redriven > 0) progress.tell(`operator: the cause is mended, ${redriven} dead letters redriven`)
  return redriven > 0
}
