import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type ChildProcess, freePort, type ProcessExit, startChildProcess } from '@mekong/stack'
import type { ServiceName } from '../platform/open-service.ts'
import { type RemoteService, remoteService } from './remote-service.ts'

export interface ServiceProcessOptions {
  readonly service: ServiceName
  readonly environment: Readonly<Record<string, string>>
  /** Called when it has ended although nobody ended it, and before it is started again. */
  readonly died: (how: string) => void
}

const program = fileURLToPath(new URL('../service.ts', import.meta.url))
const readyPollMs = 50
/** Before the first restart; doubles with each that fails, up to eight times that. */
const restartDelayMs = 250
/** A service that has not come up for so long will not: what it waits for is given up as well by then. */
const giveUpAfterMs = 90_000
const drainTimeoutMs = 15_000

/** One service in a process of its own, which is started again whenever it dies, and ends with this process. */
export class ServiceProcess {
  /** Rejects when the service does not come up any more; never resolves. */
  readonly broken: Promise<never>
  readonly #options: ServiceProcessOptions
  readonly #broken = Promise.withResolvers<never>()
  #remote: RemoteService | undefined
  #child: ChildProcess | undefined
  #ready = Promise.withResolvers<void>()
  #isClosing = false
  #isKilled = false
  readonly #running: Promise<void>

  constructor(options: ServiceProcessOptions) {
    this.#options = options
    this.broken = this.#broken.promise
    // Who waits for nothing else hears of it; at the end there may be nobody.
    this.broken.catch(() => undefined)
    this.#running = this.#keepRunning().catch((error: unknown) => this.#broken.reject(error))
  }

  get service(): ServiceName {
    return this.#options.service
  }

  /** Undefined while no process of it answers. */
  get remote(): RemoteService | undefined {
    return this.#remote
  }

  /** Resolves when the service takes part. */
  untilReady(): Promise<void> {
    return Promise.race([this.#ready.promise, this.broken])
  }

  /** SIGKILL. Resolves when the process is gone; another one is on its way then. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.hasEnded) return
    this.#isKilled = true
    this.#isGone()
    await child.kill()
  }

  /** SIGTERM: it drains. Resolves with how it ended where that is not as it should. */
  async close(): Promise<string | undefined> {
    this.#isClosing = true
    const child = this.#child
    const unclean = child === undefined || child.hasEnded ? undefined : await drain(child)
    await this.#running
    return unclean === undefined ? undefined : `${this.service} ended with ${unclean}`
  }

  /** Whoever waits since it was last gone goes on waiting. */
  #isGone(): void {
    if (this.#remote !== undefined) this.#ready = Promise.withResolvers()
    this.#remote = undefined
  }

  async #keepRunning(): Promise<void> {
    const { service, environment, died } = this.#options
    let upAt = performance.now()
    for (let failures = 0; !this.#isClosing; failures++) {
      const port = await freePort()
      await using child = await startChildProcess(program, {
        arguments: [service],
        environment: { ...environment, HTTP_PORT: String(port) },
      })
      if (this.#isClosing) return
      this.#child = child
      const remote = remoteService(`http://127.0.0.1:${port}`)
      const cameUp = await isReady(remote, child, upAt + giveUpAfterMs)
      if (cameUp) {
        this.#remote = remote
        this.#ready.resolve()
      }
      const exit = await child.untilExit()
      if (cameUp) {
        upAt = performance.now()
        failures = 0
      }
      if (this.#remote === remote) this.#isGone()
      if (this.#isClosing) return
      if (performance.now() > upAt + giveUpAfterMs)
        throw new Error(`${service} does not come up. Its last lines:\n${child.log()}`)
      if (!this.#isKilled) {
        died(`${described(exit)}: ${lastWords(child.log())}`)
        await delay(restartDelayMs * 2 ** Math.min(failures, 3))
      }
      this.#isKilled = false
    }
  }
}

/** False when the process ends before it is ready, or is ended because it is not ready in time. */
async function isReady(remote: RemoteService, child: ChildProcess, deadline: number): Promise<boolean> {
  while (!child.hasEnded) {
    if (await remote.isReady()) return true
    if (performance.now() > deadline) await child.kill()
    await delay(readyPollMs)
  }
  return false
}

async function drain(child: ChildProcess): Promise<string | undefined> {
  const late = setTimeout(() => void child.kill(), drainTimeoutMs)
  const exit = await child.terminate()
  clearTimeout(late)
  return exit.code === 0 ? undefined : `${described(exit)}:\n${child.log()}`
}

function described({ code, signal }: ProcessExit): string {
  return signal ?? `code ${code}`
}

/** What the service logged last: of its last line the error and what is said of it. */
function lastWords(log: string): string {
  const line = log.slice(log.lastIndexOf('\n') + 1)
  try {
    const { msg, error } = JSON.parse(line) as { readonly msg?: string; readonly error?: string }
    return [msg, error].filter(text => text !== undefined).join(': ')
  } catch {
    return line
  }
}
