import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import {
  type ContainerRuntimeClient,
  getContainerRuntimeClient,
  getReaper,
  LABEL_TESTCONTAINERS_SESSION_ID,
} from 'testcontainers'
import { compileCacheFolder } from '../cache-folder.ts'
import { startSupervisor } from '../supervisor/supervisor.ts'

/** What the containers of this process share. */
export interface ContainerSession {
  readonly client: ContainerRuntimeClient
  /** To be put on every container: what bears them is removed when this process ends, however that ends. */
  readonly labels: Readonly<Record<string, string>>
  /**
   * The name of the network to put every container on: its ports are published on 127.0.0.1 only, and its containers
   * find each other by their names.
   */
  readonly network: string
}

const labelName = 'org.mekong.run'
const keeperFile = fileURLToPath(new URL('./container-keeper.ts', import.meta.url))
const endTimeoutMs = 30_000
const keeperTimeoutMs = 20_000
let opening: Promise<ContainerSession> | undefined

/** The session of this process, opened at the first call. */
export function containerSession(): Promise<ContainerSession> {
  opening ??= openSession().catch((error: unknown) => {
    opening = undefined
    throw error
  })
  return opening
}

async function openSession(): Promise<ContainerSession> {
  const id = randomBytes(8).toString('hex')
  const network = `mekong-${id}`
  const [client] = await Promise.all([getContainerRuntimeClient(), startKeeper(`${labelName}=${id}`, network)])
  const { sessionId } = await getReaper(client)
  await client.network.create({
    Name: network,
    Driver: 'bridge',
    Labels: { [labelName]: id, [LABEL_TESTCONTAINERS_SESSION_ID]: sessionId },
    Options: { 'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1' },
  })
  return { client, labels: { [labelName]: id }, network }
}

async function startKeeper(label: string, network: string): Promise<void> {
  const supervisor = await startSupervisor({ name: 'containers', endSignal: 'SIGTERM', endTimeoutMs })
  const ready = Promise.withResolvers<boolean>()
  const keeper = await supervisor.run({
    command: process.execPath,
    arguments: [keeperFile, label, network],
    environment: { ...process.env, NODE_COMPILE_CACHE: compileCacheFolder() },
    workingFolder: '/',
    onMessage: () => ready.resolve(true),
  })
  const giveUp = setTimeout(() => ready.resolve(false), keeperTimeoutMs)
  const isReady = await Promise.race([ready.promise, keeper.exited.then(() => false)])
  clearTimeout(giveUp)
  if (!isReady) throw new Error(`The program that ends the containers of this run did not start:\n${supervisor.log()}`)
}
