import type { Clock } from '../clock.ts'
import type { Driver, Fate, Outgoing } from '../driver/driver-contract.ts'

/** How long after its timeout a driver that has not answered is given up. */
const graceMs = 1000

/**
 * Sends once and calls `answered` exactly once, later, with a fate for each message, whatever the driver does: where it
 * throws, rejects, answers with another number of fates or with something else, or not within its timeout and a second,
 * the fates are unknown. An answer after that is ignored: the messages may have been sent again since, which is safe,
 * because what is unknown is only ever sent again with the same id before anything later of its key.
 */
export function sendBatch(
  { driver, clock, timeoutMs }: { readonly driver: Driver; readonly clock: Clock; readonly timeoutMs: number },
  batch: readonly Outgoing[],
  answered: (fates: readonly Fate[]) => void,
): void {
  let isOpen = true
  const answer = (fates: readonly Fate[]): void => {
    if (!isOpen) return
    isOpen = false
    cancel()
    answered(fates)
  }
  const cancel = clock.after(timeoutMs + graceMs, () =>
    answer(unknown(batch, `no answer within ${timeoutMs + graceMs} ms`)),
  )
  publish(driver, batch, timeoutMs).then(
    fates => answer(checked(fates, batch)),
    (error: unknown) => answer(unknown(batch, error)),
  )
}

// Asynchronous, so that a driver that throws rejects like one that rejects.
async function publish(driver: Driver, batch: readonly Outgoing[], timeoutMs: number): Promise<unknown> {
  return driver.publish(batch, timeoutMs)
}

function checked(fates: unknown, batch: readonly Outgoing[]): readonly Fate[] {
  if (!Array.isArray(fates) || fates.length !== batch.length) {
    const count = Array.isArray(fates) ? `${fates.length} fates` : typeof fates
    return unknown(batch, `the driver answered ${count} for ${batch.length} messages`)
  }
  return fates.every(isFate) ? fates : fates.map((fate: unknown) => (isFate(fate) ? fate : unknownFate('no fate')))
}

function isFate(fate: unknown): fate is Fate {
  if (typeof fate !== 'object' || fate === null || !('is' in fate)) return false
  return fate.is === 'stored' || fate.is === 'not-stored' || fate.is === 'unknown'
}

function unknown(batch: readonly Outgoing[], why: unknown): readonly Fate[] {
  const fate = unknownFate(why)
  return batch.map(() => fate)
}

function unknownFate(why: unknown): Fate {
  return { is: 'unknown', error: typeof why === 'string' ? new Error(why) : why }
}
