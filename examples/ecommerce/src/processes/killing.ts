import { setTimeout as delay } from 'node:timers/promises'
import { duration } from '../output/figures.ts'
import type { Progress } from '../run/progress.ts'
import type { Kill, Trouble } from '../run/stage.ts'
import type { PlannedKill } from './kill-plan.ts'

/** Something that can be killed and comes back. */
export interface Victim {
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>
  /** Resolves when it takes part again. A server is started again after `awayMs`; a service starts again by itself. */
  comeBack(awayMs: number): Promise<void>
  /** It is not killed before this has resolved. */
  readonly mayBeKilled?: Promise<void>
}

export interface KillingOptions {
  readonly plan: readonly PlannedKill[]
  /** By the names of the plan. */
  readonly victims: ReadonlyMap<string, Victim>
  readonly orders: number
  readonly progress: Pick<Progress, 'tell'>
}

/**
 * Kills by the plan while orders are placed. Orders wait where a kill is late, since nothing would be under way at the
 * next one otherwise; the last order waits for the last kill, and after that nothing is killed.
 */
export function killing({ plan, victims, orders, progress }: KillingOptions): Trouble {
  const kills: Kill[] = []
  const steps = plan.map((planned, index) => ({
    ...planned,
    holdsOrder: plan[index + 1]?.afterOrders ?? orders - 1,
    due: Promise.withResolvers<void>(),
    struck: Promise.withResolvers<void>(),
  }))

  async function strikeAll(failed: (error: unknown) => void): Promise<void> {
    const startedAt = performance.now()
    const comingBack = new Map<string, Promise<void>>()
    for (const { victim: name, afterMs, awayMs, due, struck } of steps) {
      const victim = victims.get(name)
      if (victim === undefined) throw new RangeError(`there is no ${name} to be killed`)
      await due.promise
      await comingBack.get(name)
      await victim.mayBeKilled
      await delay(afterMs)
      const atMs = Date.now()
      const at = performance.now()
      await victim.kill()
      struck.resolve()
      const back = victim.comeBack(awayMs).then(() => {
        const downMs = performance.now() - at
        kills.push({ what: name, atMs, downMs })
        progress.tell(`kill at ${duration(at - startedAt)}: ${name}, back after ${duration(downMs)}`)
      })
      back.catch(failed)
      comingBack.set(name, back)
    }
    await Promise.all(comingBack.values())
  }

  return {
    cause() {
      const failure = Promise.withResolvers<never>()
      return Promise.race([strikeAll(failure.reject), failure.promise])
    },
    async mayPlace(placed) {
      for (const step of steps) {
        if (step.afterOrders <= placed) step.due.resolve()
        if (step.holdsOrder <= placed) await step.struck.promise
      }
    },
    mend: () => undefined,
    restarts: 0,
    kills,
  }
}
