import type { KafkaClusterPlan } from './kafka-plan.ts'

/** The address for clients that bootstrap from these ports. */
export function kafkaUrl({ tls, credentials }: KafkaClusterPlan, ports: readonly number[]): string {
  const login = credentials === undefined ? '' : `${credentials.username}:${credentials.password}@`
  return `${tls ? 'kafka+ssl' : 'kafka'}://${login}${hosts(ports)}`
}

/** The address past proxies, TLS and login. */
export function directKafkaUrl(cluster: KafkaClusterPlan): string {
  return `kafka://${hosts(cluster.nodes.map(node => node.directPort))}`
}

function hosts(ports: readonly number[]): string {
  return ports.map(port => `127.0.0.1:${port}`).join(',')
}
