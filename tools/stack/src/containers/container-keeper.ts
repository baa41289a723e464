// Ends the containers of a run. A supervisor runs this program beside the run and ends it with SIGTERM when the run is
// over, however that ended: then it removes what bears the run's label, volumes included, and the run's network.
// testcontainers' own reaper does so too, but only when the last of all runs on the engine is over.
import { setTimeout as delay } from 'node:timers/promises'
import { ignoreGone } from './engine-failures.ts'

const [label, network] = process.argv.slice(2)
if (label === undefined || network === undefined) throw new Error('Needs a label, as name=value, and a network')
const pollMs = 50
let removing: Promise<void> | undefined

const end = (): void => void (removing ??= removeAll(label, network).finally(() => process.exit()))
process.once('SIGTERM', end)
process.once('disconnect', end) // the supervisor was killed
process.send?.('ready')

async function removeAll(label: string, network: string): Promise<void> {
  // Only now: most of what a run costs that ends its servers itself would be to load this.
  const { getContainerRuntimeClient } = await import('testcontainers')
  const engine = (await getContainerRuntimeClient()).container.dockerode
  const found = (): ReturnType<typeof engine.listContainers> =>
    engine.listContainers({ all: true, filters: { label: [label] } })
  for (let left = await found(); left.length > 0; left = await found()) {
    const removals = left.map(({ Id }) => engine.getContainer(Id).remove({ force: true, v: true }))
    await Promise.all(removals.map(removal => removal.catch(ignoreGone)))
    await delay(pollMs) // of what somebody else is removing
  }
  await engine.getNetwork(network).remove().catch(ignoreGone)
}
