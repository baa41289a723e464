import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

interface Queue {
  readonly pending: readonly unknown[]
}

let isQuiet = false

/**
 * kafkajs looks for requests that wait for a throttled broker, and where none waits it looks again after a negative time:
 * on each connection a timer a millisecond for ever, and a TimeoutNegativeWarning on Node 24 (tulios/kafkajs#1751). Without
 * a request that waits there is nothing to look for.
 */
export function quietRequestQueues(): void {
  if (isQuiet) return
  isQuiet = true
  const { prototype } = RequestQueue
  const schedule = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function (this: Queue) {
    if (this.pending.length > 0) schedule.call(this)
  }
}
