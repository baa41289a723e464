import type { ProgramServer } from '../server.ts'
import { kafkaClassArchive } from './kafka-class-archive.ts'
import { startKafkaCluster } from './kafka-cluster.ts'
import { startKafkaNode } from './kafka-node.ts'
import { kafkaPrograms } from './kafka-programs.ts'
import type { KafkaServer, StartKafkaOptions } from './start-kafka.ts'

/** A Kafka started from the jars of Maven Central. */
export interface KafkaProgramServer extends KafkaServer {
  readonly nodes: readonly ProgramServer[]
}

/** As `startKafka`, always from the jars of Maven Central, by the Java on this machine. */
export async function startKafkaFromPrograms(options: StartKafkaOptions = {}): Promise<KafkaProgramServer> {
  const programs = await kafkaPrograms()
  const javaOptions = await kafkaClassArchive(programs)
  const { storage } = options
  return startKafkaCluster(options, order => startKafkaNode({ ...order, programs, javaOptions, storage }))
}
