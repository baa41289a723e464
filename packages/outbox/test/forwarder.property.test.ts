import { MekongError } from '@mekong/core'
import { virtualClock, type VirtualClock } from '@mekong/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Bucket } from '../src/bucket.ts'
import { createForwarder } from '../src/forwarder.ts'
import type { OutboxRow } from '../src/outbox-row.ts'
import { recordingBus, type RecordingBus } from './support/recording-bus.ts'

/** What happens next: a row of a key is read, time passes, reading begins anew, or the broker begins to fail or to work. */
type Step =
  | { readonly is: 'row'; readonly key: number | undefined }
  | { readonly is: 'time'; readonly ms: number }
  | { readonly is: 'anew' }
  | { readonly is: 'broker'; readonly works: boolean }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ is: fc.constant('row'), key: fc.option(fc.nat(3), { nil: undefined }) }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('time'), ms: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.constant({ is: 'anew' } as const) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('broker'), works: fc.boolean() }) },
) as fc.Arbitrary<Step>

/** A bucket, a forwarder and a table, without a database: what is published is marked some time later. */
function simulation(): {
  readonly clock: VirtualClock
  readonly bus: RecordingBus
  readonly bucket: Bucket
  readonly rows: readonly OutboxRow[]
  readonly write: (key: number | undefined) => void
  readonly readAnew: () => void
} {
  const clock = virtualClock()
  const bus = recordingBus()
  bus.before = () => new Promise(resolve => clock.after(7, resolve))
  const bucket = new Bucket(0, { fence: 1, safeUntil: () => Infinity })
  const rows: OutboxRow[] = []
  const marked = new Set<OutboxRow>()
  const forwarder = createForwarder({
    eventBus: bus,
    clock,
    observe: () => {},
    tuning: {
      batchRows: 4,
      runRows: 2,
      maxInFlightRows: 6,
      forwardTimeoutMs: 1000,
      settleTimeoutMs: 1000,
      retryDelayMs: 5,
      maxRetryDelayMs: 20,
    },
    buckets: () => [bucket],
    published: (_, published) => {
      clock.after(11, () => {
        for (const row of published) {
          marked.add(row)
          bucket.settle(row)
        }
      })
    },
    died: () => expect.unreachable('nothing dies here'),
    canBlock: () => true,
  })
  return {
    clock,
    bus,
    bucket,
    rows,
    write(key) {
      const position = rows.length + 1
      const event = {
        id: String(position),
        type: 't',
        topic: 't',
        key: key === undefined ? undefined : `k${key}`,
        headers: {},
        body: new Uint8Array(),
      }
      const row = { position, leaf: 0, bucket: 0, bytes: 10, event }
      rows.push(row)
      bucket.add(row)
      forwarder.pump()
    },
    readAnew() {
      bucket.startAnew()
      for (const row of rows) if (!marked.has(row)) bucket.add(row)
      forwarder.pump()
    },
  }
}

it('sends every row, each key in order, whatever fails and however often reading begins anew', async () => {
  const unknown = new MekongError('PUBLISH_UNKNOWN', 'no answer')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const { clock, bus, bucket, rows, write, readAnew } = simulation()
      for (const next of steps) {
        if (next.is === 'row') write(next.key)
        else if (next.is === 'time') await clock.advance(next.ms)
        else if (next.is === 'anew') readAnew()
        else bus.answer = () => (next.works ? 'published' : unknown)
      }
      bus.answer = () => 'published'
      await clock.advance(1000)
      expect(bus.log.map(({ id }) => Number(id)).toSorted((a, b) => a - b)).toEqual(
        rows.map(({ position }) => position),
      )
      for (const key of ['k0', 'k1', 'k2', 'k3']) {
        const sent = bus.log.filter(entry => entry.key === key).map(({ id }) => Number(id))
        expect(sent).toEqual(sent.toSorted((a, b) => a - b))
      }
      expect({ rows: bucket.rows, bytes: bucket.bytes, lanes: Array.from(bucket.lanes).length }).toEqual({
        rows: 0,
        bytes: 0,
        lanes: 0,
      })
    }),
    { numRuns: 300 },
  )
})
