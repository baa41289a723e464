import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { buildOnce, cacheFolder } from '../cache-folder.ts'
import { onFreePorts } from '../programs/launch-program.ts'
import { startKafkaNode } from './kafka-node.ts'
import { planNodes, portsPerNode } from './kafka-plan.ts'
import type { KafkaPrograms } from './kafka-programs.ts'

/**
 * The Java options of a class data archive, by which Kafka is up in a third of the time: made at the first call on a
 * machine from what a broker loads, in ten seconds, and kept in the cache folder.
 */
export async function kafkaClassArchive(programs: KafkaPrograms): Promise<readonly string[]> {
  const name = `kafka-${programs.fingerprint}-classes`
  const folder = await buildOnce(join(cacheFolder(), name), building => archiveClasses(programs, building))
  return [`-XX:SharedArchiveFile=${join(folder, archiveName)}`, '-Xshare:auto']
}

const archiveName = 'kafka.jsa'

/** Java writes the archive when the broker ends in order. */
async function archiveClasses(programs: KafkaPrograms, folder: string): Promise<void> {
  const archive = join(folder, archiveName)
  const broker = await onFreePorts(portsPerNode, async ports => {
    await rm(archive, { force: true })
    const cluster = { nodes: planNodes(ports), tls: false, credentials: undefined, settings: {} }
    const [node] = cluster.nodes
    if (node === undefined) throw new Error('No ports for a node')
    return startKafkaNode({
      programs,
      javaOptions: [`-XX:ArchiveClassesAtExit=${archive}`],
      cluster,
      node,
      certificate: undefined,
      startTimeoutMs: 120_000,
      storage: 'memory',
    })
  })
  try {
    await broker.kill('SIGTERM')
  } finally {
    await broker.stop()
  }
}
