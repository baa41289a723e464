import { setTimeout as delay } from 'node:timers/promises'
import type { Placing } from './placing.ts'
import type { Progress } from './progress.ts'
import { problems, redriveDead, type Shop, unfinished } from './shop.ts'
import type { Trouble } from './stage.ts'

const pollMs = 100
/** A run in which nothing has moved for so long is given up. */
const stuckAfterMs = 60_000

export interface Watch {
  readonly shop: Shop
  readonly placing: Readonly<Placing>
  readonly total: number
  /** How many emails have arrived, each order's once. */
  readonly countEmails: () => number
  readonly trouble: Trouble | undefined
  readonly progress: Progress
}

/** Until everything has ended, or nothing moves any more: then resolves with what has not. Rejects when it is over. */
export async function watch(
  { shop, placing, total, countEmails, trouble, progress }: Watch,
  over: AbortSignal,
): Promise<readonly string[]> {
  let movedAt = performance.now()
  let last = ''
  for (;;) {
    await delay(pollMs, undefined, { signal: over })
    const { placed } = placing
    // While a service restarts it cannot be asked.
    const open = await unfinished(shop).catch(() => undefined)
    // The last step leaves no trace before it is done: on a broker of its own an event may wait for it there.
    const left = open?.length === 0 ? missing(placed - countEmails()) : open
    if (left !== undefined) {
      progress.moved(placed, Math.max(0, placed - openOrders(left)))
      if (placed === total && left.length === 0) return []
      const now = `${placed} ${left.join()}`
      if (now !== last || (await mendDead(shop, trouble, progress))) movedAt = performance.now()
      last = now
    }
    if (performance.now() - movedAt > stuckAfterMs) return [...(left ?? []), ...(await problems(shop))]
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
