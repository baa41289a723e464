import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { launchProgram, runToEnd } from '../programs/launch-program.ts'
import type { ProgramServer } from '../server.ts'
import { superviseServer } from '../supervised-server.ts'
import { startSupervisor, type Supervisor } from '../supervisor/supervisor.ts'
import type { Storage } from '../temporary-folder.ts'
import type { KafkaNodeOrder } from './kafka-cluster.ts'
import { formatArguments, commonJavaOptions } from './kafka-java.ts'
import type { KafkaPrograms } from './kafka-programs.ts'
import { kafkaConfiguration } from './kafka-settings.ts'
import { kafkaUrl } from './kafka-url.ts'

interface KafkaProgramOrder extends KafkaNodeOrder {
  readonly programs: KafkaPrograms
  readonly javaOptions: readonly string[]
  readonly storage: Storage | undefined
}

const logging = `
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
logger.start.name = kafka.server.KafkaRaftServer
logger.start.level = INFO
`

/** Starts a node. Resolves when it takes connections, which needs most nodes of its cluster. */
export async function startKafkaNode(order: KafkaProgramOrder): Promise<ProgramServer> {
  const name = order.cluster.nodes.length === 1 ? 'Kafka' : `Node ${order.node.id} of Kafka`
  const supervisor = await startSupervisor({ name: 'kafka', storage: order.storage, endSignal: 'SIGKILL' })
  try {
    const configurationFile = await writeFiles(order, supervisor.folder)
    const launch = (main: readonly string[]) => programLaunch({ order, name, supervisor, main })
    await runToEnd(
      launch(['kafka.tools.StorageTool', 'format', ...formatArguments(order.cluster), '-c', configurationFile]),
    )
    const start = launch(['kafka.Kafka', configurationFile])
    const first = await launchProgram(start)
    const url = kafkaUrl(order.cluster, [order.node.advertisedPort])
    return superviseServer(
      { name, url, supervisor, shutdownSignal: 'SIGTERM', launch: () => launchProgram(start) },
      first,
    )
  } catch (error) {
    await supervisor.end()
    throw error
  }
}

async function writeFiles({ cluster, node, certificate }: KafkaProgramOrder, folder: string): Promise<string> {
  const keyStoreFile = join(folder, 'server.pem')
  const configurationFile = join(folder, 'server.properties')
  const configuration = kafkaConfiguration(cluster, node, { dataFolder: join(folder, 'data'), keyStoreFile })
  await writeFile(configurationFile, configuration, { mode: 0o600 })
  await writeFile(join(folder, 'log4j2.properties'), logging)
  if (certificate !== undefined) {
    await writeFile(keyStoreFile, `${certificate.key}${certificate.certificate}`, { mode: 0o600 })
  }
  return configurationFile
}

interface JavaProgram {
  readonly order: KafkaProgramOrder
  readonly name: string
  readonly supervisor: Supervisor
  /** The class and its arguments. */
  readonly main: readonly string[]
}

function programLaunch({ order, name, supervisor, main }: JavaProgram) {
  const { programs, javaOptions, startTimeoutMs } = order
  const log = `-Dlog4j2.configurationFile=${join(supervisor.folder, 'log4j2.properties')}`
  return {
    name,
    supervisor,
    order: {
      command: programs.java,
      arguments: [...commonJavaOptions, ...javaOptions, log, '-cp', programs.classPath, ...main],
      environment: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
      workingFolder: supervisor.folder,
    },
    readyPattern: /Kafka Server started/,
    startTimeoutMs,
    remedy: 'Mend what they name, or set MEKONG_KAFKA_URL to a Kafka that runs.',
  }
}
