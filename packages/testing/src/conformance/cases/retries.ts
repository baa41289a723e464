import assert from 'node:assert/strict'
import type { CaseGroup } from '../conformance-case.ts'
import { label, names, orders } from '../orders.ts'
import { assertCode, assertOrderByKey, orderByKey } from './expectations.ts'

export const retries: CaseGroup = {
  name: 'retries',
  cases: [
    {
      name: 'runs a failed handler again until it succeeds, and counts its attempts',
      run: async scene => {
        const inventory = await scene.start('inventory', {
          handle: (_, { attempt }) => {
            if (attempt < 3) throw new Error('not yet')
          },
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.untilCompleted(['a:1'])
        await scene.untilSettled(inventory)
        const runs = scene.effects.of('a:1')
        assert.deepEqual(
          runs.slice(-3).map(run => run.outcome),
          ['failed', 'failed', 'completed'],
        )
        if (scene.isCalm)
          assert.deepEqual(
            runs.map(run => run.context.attempt),
            [1, 2, 3],
          )
      },
    },
    {
      name: 'lets the delay pass before a delayed attempt, and other events meanwhile',
      run: async scene => {
        const delayMs = scene.ms(150)
        await scene.start('inventory', {
          subscription: { retry: { maxAttempts: 2, immediate: 0, delayMs } },
          handle: (event, { attempt }) => {
            if (event.orderId === 'slow' && attempt === 1) throw new Error('later')
          },
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'slow', n: 1 })
        await scene.until('the first attempt failed', () => scene.effects.of('slow:1')[0]?.outcome === 'failed')
        await shop.publish({ orderId: 'quick', n: 1 })
        await scene.untilCompleted(['slow:1', 'quick:1'])
        if (!scene.isCalm) return
        assert.deepEqual(scene.effects.firstCompleted(), ['quick:1', 'slow:1'])
        const [first, second] = scene.effects.of('slow:1')
        const waitedMs = second!.startedAt - first!.startedAt
        // Half of a delay is jitter.
        assert.ok(
          waitedMs >= delayMs / 2 - 2,
          `the second attempt came after ${waitedMs} ms, the delay was ${delayMs} ms`,
        )
      },
    },
    {
      name: 'delays an attempt on a subscription without order',
      run: async scene => {
        const delayMs = scene.ms(60)
        const inventory = await scene.start('inventory', {
          subscription: { order: 'none', retry: { maxAttempts: 3, immediate: 0, delayMs, maxDelayMs: delayMs } },
          handle: (_, { attempt }) => {
            if (attempt < 3) throw new Error('later')
          },
        })
        const shop = await scene.start('shop')
        const events = orders(names('k', 4), 1)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        await scene.untilSettled(inventory)
        if (!scene.isCalm) return
        for (const event of events) {
          const runs = scene.effects.of(label(event))
          assert.deepEqual(
            runs.map(run => run.context.attempt),
            [1, 2, 3],
          )
          for (const [index, run] of runs.slice(1).entries()) {
            assert.ok(run.startedAt - runs[index]!.startedAt >= delayMs / 2 - 2, `${label(event)} came again too early`)
          }
        }
      },
    },
    {
      name: 'gives up after the last attempt and holds the event as dead',
      run: async scene => {
        const inventory = await scene.start('inventory', {
          handle: () => {
            throw new TypeError('cannot read it')
          },
        })
        const shop = await scene.start('shop')
        const receipt = await shop.publish({ orderId: 'a', n: 1 })
        await scene.until('the event is dead', () => inventory.heard('held').some(one => one.state === 'dead'))
        await scene.untilSettled(inventory)
        const { events } = await inventory.bus.held.list({ state: 'dead' })
        assert.equal(events.length, 1)
        assert.equal(events[0]!.message.headers['ce-id'], receipt.id)
        assert.equal(events[0]!.reason.message, 'cannot read it')
        assert.deepEqual(Buffer.from(events[0]!.message.body), Buffer.from(bodyOf(shop.driver.sent, receipt.id)))
        if (!scene.isCalm) return
        assert.equal(events[0]!.attempts, 3)
        assert.equal(scene.effects.of('a:1').length, 3)
      },
    },
    {
      name: 'makes no second attempt when the error says that it is not retryable',
      run: async scene => {
        const inventory = await scene.start('inventory', {
          handle: () => {
            throw Object.assign(new Error('never'), { retryable: false })
          },
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.until('the event is dead', () => inventory.heard('held').some(one => one.state === 'dead'))
        if (scene.isCalm) assert.equal(scene.effects.of('a:1').length, 1)
      },
    },
    {
      name: "aborts a handler's signal at its deadline, and counts it as a failed attempt",
      run: async scene => {
        const inventory = await scene.start('inventory', {
          subscription: { timeoutMs: scene.ms(60) },
          handle: (_, { attempt, signal }) =>
            attempt === 1
              ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
              : undefined,
        })
        const shop = await scene.start('shop')
        await shop.publish({ orderId: 'a', n: 1 })
        await scene.untilCompleted(['a:1'])
        const runs = scene.effects.of('a:1')
        assert.equal(runs.at(0)!.context.signal.aborted, true)
        assert.equal(runs.at(-1)!.context.signal.aborted, false)
        const [failed] = inventory.heard('attempt-failed')
        assertCode(failed?.error, 'HANDLER_TIMEOUT')
      },
    },
    {
      name: 'delays the events of one key behind a delayed attempt, in order, and those of other keys not',
      capability: orderByKey,
      run: async scene => {
        await scene.start('inventory', {
          subscription: { retry: { maxAttempts: 3, immediate: 0, delayMs: scene.ms(80), maxDelayMs: scene.ms(80) } },
          handle: (event, { attempt }) => {
            if (event.orderId === 'slow' && event.n === 1 && attempt < 3) throw new Error('later')
          },
        })
        const shop = await scene.start('shop')
        const events = orders(['slow', 'quick'], 4)
        await Promise.all(events.map(event => shop.publish(event)))
        await scene.untilCompleted(events.map(label))
        const completed = scene.effects.firstCompleted()
        assertOrderByKey(completed, events)
        assert.ok(completed.indexOf('quick:4') < completed.indexOf('slow:1'), 'other keys waited for the delayed one')
      },
    },
  ],
}

function bodyOf(
  sent: readonly { readonly headers: Readonly<Record<string, string>>; readonly body: Uint8Array }[],
  id: string,
): Uint8Array {
  const message = sent.find(one => one.headers['ce-id'] === id)
  assert.ok(message !== undefined, `no event ${id} was sent`)
  return message.body
}
