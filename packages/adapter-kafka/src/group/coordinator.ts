import type { KafkaConnection, KafkaNode } from '../client/kafka-client.ts'
import { KafkaBrokerError } from '../client/kafka-error.ts'

/**
 * The node that keeps a group.
 * @throws KafkaRequestError, KafkaBrokerError
 */
export async function coordinatorOf(connection: KafkaConnection, group: string, timeoutMs: number): Promise<KafkaNode> {
  const { errorCode, node } = await connection.coordinator(group, timeoutMs)
  if (node === undefined) throw new KafkaBrokerError(errorCode, `coordinator of group ${group}`)
  return node
}
