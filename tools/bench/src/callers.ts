import { payload, type Payload } from './payload.ts'

/** How many callers publish at once where singles are measured. */
export const callers = 100
const portion = 500
const portionsUnderWay = 2

/** `callers` loops, each publishing its next event when its last is confirmed. */
export async function publishSingly(
  messages: number,
  publish: (event: Payload) => Promise<unknown>,
  callersAtOnce = callers,
): Promise<void> {
  let next = 0
  await inParallel(callersAtOnce, async () => {
    while (next < messages) await publish(payload(next++))
  })
}

/** Portions of 500, the next under way before the last is confirmed. */
export async function publishPortions(
  messages: number,
  publish: (events: readonly Payload[]) => Promise<unknown>,
): Promise<void> {
  let next = 0
  await inParallel(portionsUnderWay, async () => {
    while (next < messages) {
      const first = next
      next += portion
      const length = Math.min(portion, messages - first)
      await publish(Array.from({ length }, (_, place) => payload(first + place)))
    }
  })
}

async function inParallel(loops: number, loop: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: loops }, loop))
}
