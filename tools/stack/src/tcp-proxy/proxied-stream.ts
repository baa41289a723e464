import { EventEmitter, once, setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const maxQueuedBytes = 1024 * 1024
const sliceMs = 20

/** How bytes of one direction travel, on all connections of a proxy. May change at any time. */
export interface StreamConditions {
  /** A stalled direction holds everything back, the end of a connection too, until it flows again. */
  stall(): void
  flow(): void
  /** Each byte arrives so much later; what a connection carries in a second stays the same. */
  delayMs: number
  /** What one connection carries in a second. */
  bytesPerSecond: number
  untilFlowing(signal: AbortSignal): Promise<void>
  restore(): void
}

export function createStreamConditions(): StreamConditions {
  const changes = new EventEmitter()
  setMaxListeners(0, changes)
  let isFlowing = true
  const mayFlow = (): boolean => isFlowing
  return {
    delayMs: 0,
    bytesPerSecond: Infinity,
    stall() {
      isFlowing = false
    },
    flow() {
      isFlowing = true
      changes.emit('flow')
    },
    async untilFlowing(signal) {
      while (!mayFlow()) await once(changes, 'flow', { signal })
    },
    restore() {
      this.delayMs = 0
      this.bytesPerSecond = Infinity
      this.flow()
    },
  }
}

export interface StreamEnds {
  readonly source: Socket
  readonly destination: Socket
  /** Ends every wait when the connection is cut. */
  readonly signal: AbortSignal
  /** Called with what arrives, before it is delivered. */
  onArrival(bytes: Buffer): void
}

/** Carries bytes and then the end from source to destination. Rejects when either breaks or the signal is aborted. */
export async function carryStream(ends: StreamEnds, conditions: StreamConditions): Promise<void> {
  const { source, destination, signal } = ends
  let queuedBytes = 0
  let delivered = Promise.resolve()
  const deliver = async (bytes: Buffer, arrivedAt: number, previous: Promise<void>): Promise<void> => {
    await previous
    await untilDue(arrivedAt, conditions, signal)
    await write(bytes, destination, conditions, signal)
    queuedBytes -= bytes.length
  }
  try {
    for await (const bytes of source as AsyncIterable<Buffer>) {
      ends.onArrival(bytes)
      queuedBytes += bytes.length
      delivered = deliver(bytes, performance.now(), delivered)
      delivered.catch(() => source.destroy())
      if (queuedBytes > maxQueuedBytes) await delivered
    }
  } finally {
    await delivered
    await conditions.untilFlowing(signal)
  }
  destination.end()
}

// A timer may fire a little before its time.
async function untilDue(arrivedAt: number, conditions: StreamConditions, signal: AbortSignal): Promise<void> {
  for (;;) {
    const remainingMs = arrivedAt + conditions.delayMs - performance.now()
    if (remainingMs <= 0) return
    await delay(remainingMs, undefined, { signal })
  }
}

async function write(
  bytes: Buffer,
  destination: Socket,
  conditions: StreamConditions,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < bytes.length;) {
    await conditions.untilFlowing(signal)
    const perSecond = conditions.bytesPerSecond
    const slice = bytes.subarray(start, start + Math.max(1, Math.floor((perSecond * sliceMs) / 1000)))
    start += slice.length
    if (perSecond !== Infinity) await delay((slice.length / perSecond) * 1000, undefined, { signal })
    if (!destination.write(slice)) await once(destination, 'drain', { signal })
  }
}
