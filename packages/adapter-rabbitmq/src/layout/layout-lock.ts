import { wait, type Clock } from '@mekong/core/driver'
import type { Requests } from '../connection/requests.ts'
import { isLocked, RabbitMqError } from '../rabbitmq-failures.ts'

const askAgainMs = 50
const patienceMs = 30_000

/** Runs alone among all processes: an exclusive queue belongs to one connection, and ends with it. */
export async function withLock<T>(requests: Requests, name: string, clock: Clock, run: () => Promise<T>): Promise<T> {
  const endsAt = clock.monotonic() + patienceMs
  while (!(await isAcquired(requests, name))) {
    if (clock.monotonic() > endsAt) {
      throw new RabbitMqError('transient', `another process has been changing the queues of ${name} for too long`)
    }
    await wait(clock, askAgainMs)
  }
  try {
    return await run()
  } finally {
    await requests.ask(channel => channel.deleteQueue(name)).catch(() => undefined)
  }
}

async function isAcquired(requests: Requests, name: string): Promise<boolean> {
  try {
    await requests.ask(channel => channel.assertQueue(name, { exclusive: true, durable: false }))
    return true
  } catch (error) {
    if (isLocked(error)) return false
    throw error
  }
}
