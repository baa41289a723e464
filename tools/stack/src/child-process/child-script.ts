import { createMailbox, type NamedMessage } from './mailbox.ts'

// Imported by a program that startChildProcess runs. Elsewhere nobody listens: announcements go nowhere.
const told = createMailbox()
let waiting = 0

/** Set in the environment of a program that startChildProcess runs; others may have a parent that talks to them too. */
export const childMarker = 'MEKONG_STACK_CHILD'

const isChild = process.env[childMarker] !== undefined
// The processes that it starts are none.
delete process.env[childMarker]

if (isChild) {
  process.on('message', (message: NamedMessage) => told.deliver(message))
  // Its supervisor was killed: nobody would end it with the test.
  process.once('disconnect', () => process.exit(1))
  process.channel?.unref()
}

/**
 * Tells the test that something has happened, by a name that `ChildProcess.signal` waits for. What goes with it must be
 * JSON. Resolves when it is on its way, even if the process is killed then.
 */
export async function announce(name: string, content: unknown = null): Promise<void> {
  const message: NamedMessage = { name, content }
  await new Promise<void>((resolve, reject) => {
    if (isChild) process.send?.(message, undefined, undefined, error => (error === null ? resolve() : reject(error)))
    else resolve()
  })
}

/** Resolves with what the test told under this name, before or after the call. Keeps the process alive until then. */
export async function untilTold<Told = unknown>(name: string): Promise<Told> {
  if (waiting++ === 0) process.channel?.ref()
  try {
    return (await told.take(name)) as Told
  } finally {
    if (--waiting === 0) process.channel?.unref()
  }
}
