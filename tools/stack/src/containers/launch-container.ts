import type { GenericContainer } from 'testcontainers'
import type { ContainerServer, EndSignal } from '../server.ts'
import { type ContainerLog, type ContainerRun, createContainerLog } from './container-log.ts'
import { containerRuns, untilReady } from './container-readiness.ts'
import { type EngineContainer, endContainer, serverInContainer } from './container-server.ts'
import { type ContainerSession, containerSession } from './container-session.ts'
import { ignoreGone, isPortTaken } from './engine-failures.ts'

/** A container to start, and how it is known that its server takes connections. */
export interface ContainerLaunch {
  /** As messages call the server: Redis. */
  readonly name: string
  /** By which the engine knows the container, and other containers of this run find it. */
  readonly containerName: string
  /** Used once. */
  readonly container: GenericContainer
  /** Published on the same port again when the container restarts, as clients expect. */
  readonly ports: readonly { readonly container: number; readonly host: number }[]
  readonly url: string
  /** Found in one line of what the server logs when it takes connections. */
  readonly readyPattern: RegExp
  /**
   * How often it logs such a line when it starts for the first time.
   * @default 1
   */
  readonly readyCountAtFirst?: number
  readonly shutdownSignal: EndSignal
  readonly startTimeoutMs: number
  /** The variable that names a server which runs already. */
  readonly environmentVariable: string
  /** Called after the server was ended for good, also when it did not come up. */
  afterStop?(): Promise<void>
}

// RabbitMQ 4 prints 40 lines of what follows after the one that says why.
const shownLines = 80

class ContainerLaunchError extends Error {
  override readonly name = 'ContainerLaunchError'
  readonly isPortTaken: boolean

  constructor({ name, environmentVariable }: ContainerLaunch, log: ContainerLog, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(
      `${name} did not come up: ${reason}. The last lines of its log:\n${log.tail(shownLines) || '(empty)'}\n` +
        `Mend what they name, set MEKONG_STACK to programs, or ${environmentVariable} to a ${name} that runs.`,
      { cause },
    )
    this.isPortTaken = isPortTaken(cause)
  }
}

/** Starts the container. Resolves when its server takes connections; otherwise it is gone. */
export async function launchContainer(launch: ContainerLaunch): Promise<ContainerServer> {
  const session = await containerSession()
  const container = session.client.container.getById(launch.containerName)
  const log = createContainerLog()
  try {
    const first = await start(launch, session, log)
    const relaunch = (): Promise<ContainerRun> => startAgain(launch, { session, container, log })
    return serverInContainer({ ...launch, container, relaunch, log: () => log.tail() }, first)
  } catch (cause) {
    await container.remove({ force: true, v: true }).catch(ignoreGone)
    await launch.afterStop?.()
    throw new ContainerLaunchError(launch, log, cause)
  }
}

async function start(launch: ContainerLaunch, session: ContainerSession, log: ContainerLog): Promise<ContainerRun> {
  const { readyPattern: pattern, readyCountAtFirst: count = 1, startTimeoutMs } = launch
  const run = Promise.withResolvers<ContainerRun>()
  await launch.container
    .withName(launch.containerName)
    .withLabels(session.labels)
    .withNetworkMode(session.network)
    .withExposedPorts(...launch.ports)
    .withLogConsumer(stream => run.resolve(log.follow(stream, { pattern, count })))
    .withWaitStrategy(containerRuns)
    .start()
  await untilReady(await run.promise, startTimeoutMs)
  return run.promise
}

interface LaunchedContainer {
  readonly session: ContainerSession
  readonly container: EngineContainer
  readonly log: ContainerLog
}

async function startAgain(launch: ContainerLaunch, launched: LaunchedContainer): Promise<ContainerRun> {
  const { session, container, log } = launched
  let run: ContainerRun | undefined
  try {
    await container.start()
    const startedAt = new Date((await container.inspect()).State.StartedAt)
    const stream = await session.client.container.logs(container, { since: startedAt.getTime() / 1000 })
    run = log.follow(stream, { pattern: launch.readyPattern, count: 1 })
    await untilReady(run, launch.startTimeoutMs)
    return run
  } catch (cause) {
    if (run?.hasEnded === false) await endContainer(container, run, 'SIGKILL')
    throw new ContainerLaunchError(launch, log, cause)
  }
}
