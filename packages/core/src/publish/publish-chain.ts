import type { PreparedEvent } from '../event/event.ts'
import { createTurns } from '../event/in-turn.ts'
import type { Middleware } from '../middleware.ts'
import type { Receipt } from '../publish-options.ts'
import { orderOf, type Run } from './publisher.ts'

export interface Sending {
  readonly delayMs: number
  /** Of an event of several that are published by one call. */
  readonly run?: Run | undefined
}

export type Send = (event: PreparedEvent, how: Sending) => Promise<Receipt>

/**
 * The publish middleware around sending. Events of one key are sent in the order of the calls, however long the middleware
 * takes for each.
 */
export function compilePublish(middleware: readonly Middleware[], send: Send): Send {
  const wrappers = middleware.flatMap(({ publish }) => (publish === undefined ? [] : [publish]))
  if (wrappers.length === 0) return send
  const inTurn = createTurns()

  return async (event, how) => {
    const order = orderOf(event)
    let arrive = (): void => undefined
    const arrived = new Promise<void>(resolve => (arrive = resolve))
    const turn = order === undefined ? undefined : inTurn(order, arrived)
    const innermost = async (passed: PreparedEvent): Promise<Receipt> => {
      arrive()
      await turn
      return send(passed, how)
    }
    const chain = wrappers.reduceRight<(passed: PreparedEvent) => Promise<Receipt>>(
      (next, publish) => async passed => publish(passed, next),
      innermost,
    )
    try {
      return await chain(event)
    } catch (error) {
      if (order !== undefined) how.run?.stopped.add(order)
      throw error
    } finally {
      // Also where the middleware never came as far as sending.
      arrive()
    }
  }
}
