import type { KafkaClusterPlan } from './kafka-plan.ts'

// All nodes of a cluster must have the same; clusters never meet.
const clusterId = 'bWVrb25nLWthZmthLTAwMQ'

// The first compiler alone, and the collector that needs no threads: quick starts on few cores.
export const commonJavaOptions: readonly string[] = [
  '-Xms64m',
  '-Xmx384m',
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-XX:-UsePerfData',
  '-XX:+ExitOnOutOfMemoryError',
]

/**
 * The arguments by which a data folder is formatted, besides that of the configuration. SCRAM has its logins in the
 * cluster's metadata, from the first record on.
 */
export function formatArguments({ credentials }: KafkaClusterPlan): readonly string[] {
  if (credentials === undefined) return ['-t', clusterId]
  const logins = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap(mechanism => [
    '--add-scram',
    `${mechanism}=[name=${credentials.username},password=${credentials.password}]`,
  ])
  return ['-t', clusterId, ...logins]
}
