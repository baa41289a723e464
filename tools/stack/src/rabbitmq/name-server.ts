import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { startSupervisor } from '../supervisor/supervisor.ts'

const pollMs = 5
const startTimeoutMs = 10_000

/**
 * Starts Erlang's name server on a port of its own. A RabbitMQ that finds none starts one by itself, which would
 * outlive it. It stays while the RabbitMQ is killed and restarted.
 *
 * @param program epmd
 */
export async function startNameServer(program: string, port: number): Promise<AsyncDisposable> {
  const supervisor = await startSupervisor({ name: 'epmd', endSignal: 'SIGKILL' })
  try {
    const process = await supervisor.run({
      command: program,
      arguments: ['-port', String(port), '-address', '127.0.0.1'],
      environment: { PATH: globalThis.process.env['PATH'] },
      workingFolder: '/',
    })
    const deadline = performance.now() + startTimeoutMs
    while (!(await takesConnections(port))) {
      if (process.exit !== undefined || performance.now() > deadline) {
        const failure = new Error(`Erlang's name server did not come up on port ${port}. Its log:\n${supervisor.log()}`)
        throw Object.assign(failure, { isPortTaken: process.exit !== undefined })
      }
      await delay(pollMs)
    }
  } catch (error) {
    await supervisor.end()
    throw error
  }
  return { [Symbol.asyncDispose]: () => supervisor.end() }
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
