import { randomBytes } from 'node:crypto'
import { GenericContainer } from 'testcontainers'
import { type KafkaNodeOrder, startKafkaCluster } from '../kafka/kafka-cluster.ts'
import { commonJavaOptions, formatArguments } from '../kafka/kafka-java.ts'
import type { KafkaClusterPlan, KafkaNodePlan } from '../kafka/kafka-plan.ts'
import { clientProtocol, kafkaConfiguration, type KafkaSettings } from '../kafka/kafka-settings.ts'
import { kafkaUrl } from '../kafka/kafka-url.ts'
import type { KafkaServer, StartKafkaOptions } from '../kafka/start-kafka.ts'
import type { Server } from '../server.ts'
import { images } from './images.ts'
import { launchContainer } from './launch-container.ts'

const dataFolder = '/var/lib/kafka/data'
const configurationFile = '/etc/mekong-kafka.properties'
const keyStoreFile = '/etc/mekong-kafka.pem'

// Past the image's own start, which knows no logins from the first record on. Its arguments are those of the format.
const startScript =
  `[ -e ${dataFolder}/meta.properties ] || /opt/kafka/bin/kafka-storage.sh format "$@" -c ${configurationFile} && ` +
  `exec /opt/kafka/bin/kafka-server-start.sh ${configurationFile}`

/**
 * As `startKafka`, always in containers. `storage` means nothing here: the data are in volumes of their own.
 *
 * Not by the module of testcontainers, which returns before the broker is up and cannot restart it.
 */
export function startKafkaInContainers(options: StartKafkaOptions = {}): Promise<KafkaServer> {
  const clusterName = `mekong-kafka-${randomBytes(6).toString('hex')}`
  return startKafkaCluster(options, order => startNode(order, clusterName))
}

function startNode(
  { cluster, node, certificate, startTimeoutMs }: KafkaNodeOrder,
  clusterName: string,
): Promise<Server> {
  const addresses = containerAddresses(cluster, node, clusterName)
  const configured = { ...cluster, settings: { ...addresses, ...cluster.settings } }
  const files = [
    { target: configurationFile, content: kafkaConfiguration(configured, node, { dataFolder, keyStoreFile }) },
    ...(certificate === undefined
      ? []
      : [{ target: keyStoreFile, content: `${certificate.key}${certificate.certificate}` }]),
  ]
  return launchContainer({
    name: cluster.nodes.length === 1 ? 'Kafka' : `Node ${node.id} of Kafka`,
    containerName: containerName(clusterName, node),
    container: new GenericContainer(images.kafka)
      .withCopyContentToContainer(files)
      .withEnvironment({ KAFKA_HEAP_OPTS: commonJavaOptions.join(' '), KAFKA_JVM_PERFORMANCE_OPTS: '-Dmekong' })
      .withCommand(['sh', '-c', startScript, 'start', ...formatArguments(cluster)]),
    // The same inside and outside: what the node tells clients must lead to it.
    ports: [node.clientPort, node.directPort].map(port => ({ container: port, host: port })),
    url: kafkaUrl(cluster, [node.advertisedPort]),
    readyPattern: /Kafka Server started/,
    shutdownSignal: 'SIGTERM',
    startTimeoutMs,
    environmentVariable: 'MEKONG_KAFKA_URL',
  })
}

function containerName(clusterName: string, { id }: KafkaNodePlan): string {
  return `${clusterName}-${id}`
}

/** Where the nodes listen, and where clients outside and the other nodes inside the engine's network find them. */
function containerAddresses(cluster: KafkaClusterPlan, node: KafkaNodePlan, clusterName: string): KafkaSettings {
  const { clientPort, advertisedPort, directPort, controllerPort } = node
  const brokerPort = 19_092
  const name = containerName(clusterName, node)
  return {
    listeners: `CLIENT://:${clientPort},DIRECT://:${directPort},BROKER://:${brokerPort},CONTROLLER://:${controllerPort}`,
    'advertised.listeners': [
      `CLIENT://127.0.0.1:${advertisedPort}`,
      `DIRECT://127.0.0.1:${directPort}`,
      `BROKER://${name}:${brokerPort}`,
    ].join(','),
    'controller.quorum.voters': cluster.nodes
      .map(one => `${one.id}@${containerName(clusterName, one)}:${one.controllerPort}`)
      .join(','),
    'listener.security.protocol.map': [
      `CLIENT:${clientProtocol(cluster)}`,
      ...['DIRECT', 'BROKER', 'CONTROLLER'].map(listener => `${listener}:PLAINTEXT`),
    ].join(','),
    'inter.broker.listener.name': 'BROKER',
  }
}
