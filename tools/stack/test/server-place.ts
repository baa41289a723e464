import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { ContainerServer, ProgramServer, Server } from '../src/server.ts'
import { isAlive } from './is-alive.ts'

/** What a server occupies on the machine while it is there, as JSON. */
export interface ServerPlace {
  readonly pids: readonly number[]
  readonly folders: readonly string[]
  readonly containers: readonly string[]
  readonly networks: readonly string[]
}

export function isProgram(server: Server): server is ProgramServer {
  return 'pid' in server
}

export function isContainer(server: Server): server is ContainerServer {
  return 'containerName' in server
}

/** Whether the server's process or container runs; also after the server object has forgotten it. */
export function runningCheck(server: Server): () => Promise<boolean> {
  if (isContainer(server)) return async () => (await runningContainers()).includes(server.containerName)
  if (!isProgram(server)) throw new Error('Neither a program nor a container')
  const { pid } = server
  return async () => isAlive(pid)
}

/** Whether the volumes of the server's container are there; of a program's there are none. */
export async function volumesCheck(server: Server): Promise<() => Promise<boolean>> {
  if (!isContainer(server)) return () => Promise.resolve(false)
  const { Mounts } = await (await engine()).getContainer(server.containerName).inspect()
  const names = new Set(Mounts.map(({ Name }) => Name))
  return async () => (await (await engine()).listVolumes()).Volumes.some(({ Name }) => names.has(Name))
}

/** Those of this machine's addresses at which a server takes connections. */
export async function openAddresses(server: Server): Promise<readonly string[]> {
  const port = Number(new URL(server.url).port)
  const interfaces = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? [])
  const hosts = interfaces.filter(({ family }) => family === 'IPv4').map(({ address }) => address)
  const open = await Promise.all(hosts.map(host => takesConnections(host, port)))
  return hosts.filter((_, index) => open[index])
}

async function takesConnections(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** What is still there. */
export async function leftOf({ pids, folders, containers, networks }: ServerPlace): Promise<ServerPlace> {
  const hasEngine = containers.length > 0 || networks.length > 0
  const all = hasEngine ? await allContainers() : []
  const allNetworks = hasEngine ? await (await engine()).listNetworks() : []
  return {
    pids: pids.filter(isAlive),
    folders: folders.filter(folder => existsSync(folder)),
    containers: containers.filter(name => all.some(({ names }) => names.includes(name))),
    networks: networks.filter(name => allNetworks.some(({ Name }) => Name === name)),
  }
}

async function runningContainers(): Promise<readonly string[]> {
  return (await allContainers()).filter(({ isRunning }) => isRunning).flatMap(({ names }) => names)
}

async function allContainers(): Promise<readonly { readonly names: readonly string[]; readonly isRunning: boolean }[]> {
  const found = await (await engine()).listContainers({ all: true })
  return found.map(({ Names, State }) => ({
    names: Names.map(name => name.replace(/^\//, '')),
    isRunning: State === 'running',
  }))
}

async function engine() {
  const { getContainerRuntimeClient } = await import('testcontainers')
  return (await getContainerRuntimeClient()).container.dockerode
}
