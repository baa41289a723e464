import type { Server } from './server.ts'

/** Resolves when all of the servers have started; when one does not, the others are stopped. */
export async function startTogether<Started extends Server>(
  starting: readonly Promise<Started>[],
): Promise<readonly Started[]> {
  const outcomes = await Promise.allSettled(starting)
  const started = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  if (started.length < starting.length) await Promise.all(started.map(server => server.stop()))
  return Promise.all(starting)
}

/** Several servers of one cluster as one: what is done is done to all of them at the same time. */
export function groupServers(url: string, nodes: readonly Server[]): Server {
  const each = async (act: (node: Server) => Promise<void>, among = nodes): Promise<void> => {
    await Promise.all(among.map(act))
  }
  const running = (): readonly Server[] => {
    const found = nodes.filter(node => node.isRunning)
    if (found.length === 0) throw new Error('No node of the cluster is running')
    return found
  }
  const stop = (): Promise<void> => each(node => node.stop())
  return {
    url,
    get isRunning() {
      return nodes.some(node => node.isRunning)
    },
    kill: async signal => each(node => node.kill(signal), running()),
    pause: async () => each(node => node.pause(), running()),
    resume: async () => each(node => node.resume(), running()),
    restart: () => each(node => node.restart()),
    stop,
    log: () => nodes.map((node, index) => `Node ${index + 1}:\n${node.log()}`).join('\n'),
    [Symbol.asyncDispose]: stop,
  }
}
