import { randomBytes } from 'node:crypto'
import { createServerCertificate } from '../certificates.ts'
import { onFreePorts } from '../programs/launch-program.ts'
import type { ProgramServer } from '../server.ts'
import { groupServers, startTogether } from '../server-group.ts'
import { startTcpProxy, type TcpProxy } from '../tcp-proxy/tcp-proxy.ts'
import { kafkaClassArchive } from './kafka-class-archive.ts'
import { startKafkaNode } from './kafka-node.ts'
import { behindProxy, type KafkaClusterPlan, type KafkaNodePlan, planNodes, portsPerNode } from './kafka-plan.ts'
import { kafkaPrograms } from './kafka-programs.ts'
import { directKafkaUrl, kafkaUrl } from './kafka-url.ts'
import type { KafkaCredentials, KafkaServer, StartKafkaOptions } from './start-kafka.ts'

/** A Kafka started from the jars of Maven Central. */
export interface KafkaProgramServer extends KafkaServer {
  readonly nodes: readonly ProgramServer[]
}

interface StartedCluster {
  readonly cluster: KafkaClusterPlan
  readonly nodes: readonly ProgramServer[]
  readonly proxies: readonly TcpProxy[]
  readonly ca: string | undefined
}

/** As `startKafka`, always from the jars of Maven Central, by the Java on this machine. */
export async function startKafkaFromPrograms(options: StartKafkaOptions = {}): Promise<KafkaProgramServer> {
  const { nodes: nodeCount = 1, settings = {}, startTimeoutMs = 60_000, storage } = options
  const programs = await kafkaPrograms()
  const javaOptions = await kafkaClassArchive(programs)
  const certificate = options.tls === true ? await createServerCertificate('MEKONG_KAFKA_URL') : undefined
  const credentials = options.sasl === true ? createCredentials() : undefined

  return onFreePorts(nodeCount * portsPerNode, async ports => {
    const planned = planNodes(ports)
    const proxies = options.proxied === true ? await Promise.all(planned.map(startProxy)) : []
    const nodes = planned.map((node, index) => behindProxy(node, proxies[index]))
    const cluster = { nodes, tls: certificate !== undefined, credentials, settings }
    const common = { programs, javaOptions, cluster, certificate, startTimeoutMs, storage }
    try {
      const started = await startTogether(nodes.map(node => startKafkaNode({ ...common, node })))
      return describe({ cluster, nodes: started, proxies, ca: certificate?.ca })
    } catch (error) {
      await close(proxies)
      throw error
    }
  })
}

function createCredentials(): KafkaCredentials {
  return { username: 'mekong', password: randomBytes(16).toString('hex') }
}

function startProxy({ clientPort }: KafkaNodePlan): Promise<TcpProxy> {
  return startTcpProxy({ target: { host: '127.0.0.1', port: clientPort } })
}

function describe({ cluster, nodes, proxies, ca }: StartedCluster): KafkaProgramServer {
  const url = kafkaUrl(
    cluster,
    cluster.nodes.map(node => node.advertisedPort),
  )
  const group = groupServers(url, nodes)
  const stopNodes = group.stop
  const stop = async (): Promise<void> => {
    await close(proxies)
    await stopNodes()
  }
  const { credentials } = cluster
  const directUrl = directKafkaUrl(cluster)
  return Object.assign(group, { nodes, proxies, directUrl, ca, credentials, stop, [Symbol.asyncDispose]: stop })
}

async function close(proxies: readonly TcpProxy[]): Promise<void> {
  await Promise.all(proxies.map(proxy => proxy.close()))
}
