import type { ContainerRuntimeClient } from 'testcontainers'
import type { ContainerServer, EndSignal } from '../server.ts'
import type { ContainerRun } from './container-log.ts'
import { ignoreGone } from './engine-failures.ts'

/** A container as the engine's client knows it. */
export type EngineContainer = ReturnType<ContainerRuntimeClient['container']['getById']>

export interface ContainerServerParts {
  /** As messages call the server: Redis. */
  readonly name: string
  readonly url: string
  readonly containerName: string
  readonly container: EngineContainer
  /** The signal that shuts this server down in order, without waiting for clients to leave. */
  readonly shutdownSignal: EndSignal
  /** Starts the container again. Resolves when its server takes connections; otherwise it does not run. */
  relaunch(): Promise<ContainerRun>
  log(): string
  /** Called after the container was removed. */
  afterStop?(): Promise<void>
}

/** A server whose container already runs. */
export function serverInContainer(parts: ContainerServerParts, first: ContainerRun): ContainerServer {
  const { name, url, containerName, container } = parts
  let run = first
  let isStopped = false

  function running(): EngineContainer {
    if (isStopped || run.hasEnded) throw new Error(`${name} is not running`)
    return container
  }

  async function kill(signal: EndSignal = 'SIGKILL'): Promise<void> {
    await endContainer(running(), run, signal)
  }

  async function restart(): Promise<void> {
    if (isStopped) throw new Error(`${name} was stopped for good`)
    if (!run.hasEnded) await kill(parts.shutdownSignal)
    run = await parts.relaunch()
  }

  async function stop(): Promise<void> {
    if (isStopped) return
    isStopped = true
    await container.remove({ force: true, v: true }).catch(ignoreGone)
    await parts.afterStop?.()
  }

  return {
    url,
    containerName,
    get isRunning() {
      return !isStopped && !run.hasEnded
    },
    kill,
    pause: async () => running().pause(),
    resume: async () => running().unpause(),
    restart,
    stop,
    log: () => parts.log(),
    [Symbol.asyncDispose]: stop,
  }
}

/** Resolves when the container has ended and all that it logged has come. */
export async function endContainer(container: EngineContainer, run: ContainerRun, signal: EndSignal): Promise<void> {
  // Asked before, so that the end cannot be missed; unlike the log it keeps this process alive until then.
  await Promise.all([container.wait(), container.kill({ signal }), run.ended])
}
