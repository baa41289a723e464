import { randomBytes } from 'node:crypto'
import { createServerCertificate, type ServerCertificate } from '../certificates.ts'
import { onFreePorts } from '../programs/launch-program.ts'
import type { Server } from '../server.ts'
import { groupServers, startTogether } from '../server-group.ts'
import { startTcpProxy, type TcpProxy } from '../tcp-proxy/tcp-proxy.ts'
import { behindProxy, type KafkaClusterPlan, type KafkaNodePlan, planNodes, portsPerNode } from './kafka-plan.ts'
import { directKafkaUrl, kafkaUrl } from './kafka-url.ts'
import type { KafkaCredentials, KafkaServer, StartKafkaOptions } from './start-kafka.ts'

/** A node to be started, by whichever way. */
export interface KafkaNodeOrder {
  readonly cluster: KafkaClusterPlan
  readonly node: KafkaNodePlan
  readonly certificate: ServerCertificate | undefined
  readonly startTimeoutMs: number
}

interface StartedCluster<Node extends Server> {
  readonly cluster: KafkaClusterPlan
  readonly nodes: readonly Node[]
  readonly proxies: readonly TcpProxy[]
  readonly ca: string | undefined
}

/** Starts the nodes together, as the options say. */
export async function startKafkaCluster<Node extends Server>(
  options: StartKafkaOptions,
  startNode: (order: KafkaNodeOrder) => Promise<Node>,
): Promise<KafkaServer & { readonly nodes: readonly Node[] }> {
  const { nodes: nodeCount = 1, settings = {}, startTimeoutMs = 60_000 } = options
  const certificate = options.tls === true ? await createServerCertificate('MEKONG_KAFKA_URL') : undefined
  const credentials = options.sasl === true ? createCredentials() : undefined

  return onFreePorts(nodeCount * portsPerNode, async ports => {
    const planned = planNodes(ports)
    const proxies = options.proxied === true ? await Promise.all(planned.map(startProxy)) : []
    const nodes = planned.map((node, index) => behindProxy(node, proxies[index]))
    const cluster = { nodes, tls: certificate !== undefined, credentials, settings }
    try {
      const started = await startTogether(nodes.map(node => startNode({ cluster, node, certificate, startTimeoutMs })))
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

function describe<Node extends Server>({
  cluster,
  nodes,
  proxies,
  ca,
}: StartedCluster<Node>): KafkaServer & { readonly nodes: readonly Node[] } {
  const url = kafkaUrl(
    cluster,
    cluster.nodes.map(node => node.advertisedPort),
  )
  const group = groupServers(url, nodes)
  const stopNodes = group.stop.bind(group)
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
