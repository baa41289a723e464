import type { Handler, HandlerContext } from '@mekong/core'
import type { Journal } from './journal.ts'
import { label, type Order, type OrdersContract } from './orders.ts'

/** One run of a handler, written down by the handler itself: what the bus believes plays no part in it. */
export interface Run {
  readonly who: string
  readonly subscription: string
  readonly order: Order
  readonly context: HandlerContext<OrdersContract>
  /** Milliseconds of the system's monotonic clock. */
  readonly startedAt: number
  outcome: 'running' | 'completed' | 'failed'
}

/** The independent log of what handlers did. */
export interface Effects {
  readonly runs: readonly Run[]
  /** Whatever it throws is the handler's error. */
  handler(who: string, does?: HandlerBody): Handler<OrdersContract>
  /** Labels of completed runs, in the order of their ends. */
  completed(which?: Partial<Pick<Run, 'who' | 'subscription'>>): string[]
  /** Those that repeat an earlier one left out: what order is judged by. */
  firstCompleted(which?: Partial<Pick<Run, 'who' | 'subscription'>>): string[]
  /** Of one event, by its label. */
  of(label: string): readonly Run[]
}

export type HandlerBody = (order: Order, context: HandlerContext<OrdersContract>, run: Run) => unknown

export function effects(journal: Journal): Effects {
  const runs: Run[] = []
  const ended: Run[] = []
  const completed: Effects['completed'] = (which = {}) =>
    ended.filter(run => run.outcome === 'completed' && fits(run, which)).map(run => label(run.order))
  return {
    runs,
    completed,
    firstCompleted: which => [...new Set(completed(which))],
    of: wanted => runs.filter(run => label(run.order) === wanted),
    handler: (who, does) => async (order, context) => {
      const run: Run = {
        who,
        subscription: context.subscription,
        order,
        context,
        startedAt: performance.now(),
        outcome: 'running',
      }
      const text = `${label(order)} in ${context.subscription} attempt ${context.attempt} fence ${context.fence}`
      runs.push(run)
      journal.note(who, `handles ${text}`)
      try {
        await does?.(order, context, run)
        run.outcome = 'completed'
      } catch (error) {
        run.outcome = 'failed'
        throw error
      } finally {
        ended.push(run)
        journal.note(who, `${run.outcome} ${text}`)
      }
    },
  }
}

function fits(run: Run, which: Partial<Run>): boolean {
  return Object.entries(which).every(([field, value]) => run[field as keyof Run] === value)
}
