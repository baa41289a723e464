import { setTimeout as pause } from 'node:timers/promises'
import type { Run, RunOptions } from './run.ts'

/** One thing that goes wrong while a load is under way. */
export interface Fault {
  readonly name: string
  /** Those that are not run with `npm run test:faults` only. */
  readonly isQuick: boolean
  readonly options?: Partial<RunOptions>
  /** Whether handling the first event takes longer than the broker hears nothing of it. @default false */
  readonly isSlow?: boolean
  /** Resolves when the fault is over. */
  strike(run: Run): Promise<void>
  /** Why effects may be there twice, where they may. */
  readonly repeatedBecause?: string
}

const silentMs = 5_000
const stoppedMs = 40_000

export const faults: readonly Fault[] = [
  {
    name: 'a consumer is killed in mid-handler, and another one joins',
    isQuick: true,
    async strike(run) {
      await run.untilHandled(0.2)
      await run.members[0]?.kill()
      await run.untilHandled(0.4)
      await run.join()
    },
  },
  {
    name: 'the publisher is killed in mid-batch, and starts again, twice',
    isQuick: true,
    async strike(run) {
      for (const share of [0.2, 0.5]) {
        await run.untilHandled(share)
        await run.publisher.kill()
        await run.publishAgain()
      }
    },
  },
  {
    name: 'the broker is killed and started again',
    isQuick: true,
    async strike(run) {
      await run.untilHandled(0.3)
      await run.ground.broker.kill()
      await run.ground.broker.restart()
    },
  },
  {
    name: 'the network is cut, and later carries nothing back for a while',
    isQuick: true,
    async strike(run) {
      const { proxies } = run.ground.broker
      await run.untilHandled(0.2)
      for (const proxy of proxies) proxy.cut()
      await run.untilHandled(0.4)
      for (const proxy of proxies) proxy.stall('to-client')
      await pause(silentMs)
      // What was held back is lost: neither side hears of the other again on these connections.
      for (const proxy of proxies) proxy.cut()
      for (const proxy of proxies) proxy.flow('to-client')
    },
  },
  {
    name: 'ten members join and leave, every other one killed',
    isQuick: false,
    options: { eventsPerSecond: 400 },
    async strike(run) {
      await run.untilHandled(0.05)
      for (let turn = 0; turn < 10; turn++) {
        const member = await run.join()
        if (run.ground.sharesWork) await run.untilHandling(member)
        await (turn % 2 === 0 ? member.terminate() : member.kill())
      }
    },
  },
  {
    name: 'the broker stands still for 40 s',
    isQuick: false,
    async strike(run) {
      await run.untilHandled(0.3)
      await run.ground.broker.pause()
      await pause(stoppedMs)
      await run.ground.broker.resume()
    },
  },
  {
    name: 'a handler takes longer than the session',
    isQuick: false,
    isSlow: true,
    strike: run => run.untilHandled(0.9),
  },
  {
    name: 'Postgres is killed and started again, twice',
    isQuick: false,
    async strike(run) {
      for (const share of [0.2, 0.5]) {
        await run.untilHandled(share)
        await run.ground.postgres.kill()
        await run.ground.postgres.restart()
      }
    },
  },
  {
    name: 'Redis is killed and started again',
    isQuick: false,
    options: { once: 'redis' },
    async strike(run) {
      await run.untilHandled(0.3)
      await run.ground.redis.kill()
      await run.ground.redis.restart()
    },
  },
  {
    name: 'Redis forgets everything, and then a consumer is killed',
    isQuick: false,
    options: { once: 'redis' },
    repeatedBecause: 'what was handled and not yet acknowledged is known to nobody any more',
    async strike(run) {
      await run.untilHandled(0.3)
      await run.ground.flushRedis()
      await run.members[0]?.kill()
      await run.join()
    },
  },
]
