import type { TcpProxy } from '../tcp-proxy/tcp-proxy.ts'
import type { KafkaSettings } from './kafka-settings.ts'
import type { KafkaCredentials } from './start-kafka.ts'

/** A node of a cluster, which is broker and controller. */
export interface KafkaNodePlan {
  readonly id: number
  readonly clientPort: number
  /** The port that clients are told: the one of a proxy, when there is one. */
  readonly advertisedPort: number
  /** For the other brokers, and for tests that want to look past what they have broken. */
  readonly directPort: number
  readonly controllerPort: number
}

export interface KafkaClusterPlan {
  readonly nodes: readonly KafkaNodePlan[]
  /** Whether clients come by TLS. */
  readonly tls: boolean
  /** Of clients that log in. */
  readonly credentials: KafkaCredentials | undefined
  readonly settings: KafkaSettings
}

export const portsPerNode = 3

/** As many nodes as there are ports for. */
export function planNodes(ports: readonly number[]): readonly KafkaNodePlan[] {
  return Array.from({ length: ports.length / portsPerNode }, (_, index) => {
    const [clientPort = 0, directPort = 0, controllerPort = 0] = ports.slice(index * portsPerNode)
    return { id: index + 1, clientPort, advertisedPort: clientPort, directPort, controllerPort }
  })
}

/** The same node behind a proxy. */
export function behindProxy(node: KafkaNodePlan, proxy: TcpProxy | undefined): KafkaNodePlan {
  return proxy === undefined ? node : { ...node, advertisedPort: proxy.port }
}
