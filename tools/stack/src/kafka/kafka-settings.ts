import type { KafkaClusterPlan, KafkaNodePlan } from './kafka-plan.ts'
import type { KafkaCredentials } from './start-kafka.ts'

/** Settings by their names in server.properties. */
export type KafkaSettings = Readonly<Record<string, string | number | boolean>>

interface KafkaNodeFiles {
  readonly dataFolder: string
  /** Key and certificate of the server as PEM. */
  readonly keyStoreFile: string
}

/** The text of a server.properties. */
export function kafkaConfiguration(cluster: KafkaClusterPlan, node: KafkaNodePlan, files: KafkaNodeFiles): string {
  const settings: KafkaSettings = {
    ...addressSettings(cluster, node),
    ...replicationSettings(cluster.nodes.length),
    ...(cluster.tls ? tlsSettings(files.keyStoreFile) : {}),
    ...(cluster.credentials === undefined ? {} : saslSettings(cluster.credentials)),
    ...sizeSettings,
    'log.dirs': files.dataFolder,
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1000,
    // After a kill the controller waits for the end of the old session; with the default of 9 s a restart takes 12 s.
    'broker.session.timeout.ms': 1000,
    'broker.heartbeat.interval.ms': 200,
    ...cluster.settings,
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${escaped(String(value))}\n`)
    .join('')
}

// For a test's events on a machine with two cores.
const sizeSettings: KafkaSettings = {
  'log.cleaner.dedupe.buffer.size': 4 * 1024 * 1024,
  'num.network.threads': 2,
  'num.io.threads': 4,
  'offsets.topic.num.partitions': 1,
  'transaction.state.log.num.partitions': 1,
  'share.coordinator.state.topic.num.partitions': 1,
}

/** The protocol of the listener for clients, as Kafka calls it. */
export function clientProtocol({ tls, credentials }: KafkaClusterPlan): string {
  if (credentials === undefined) return tls ? 'SSL' : 'PLAINTEXT'
  return tls ? 'SASL_SSL' : 'SASL_PLAINTEXT'
}

function addressSettings(cluster: KafkaClusterPlan, node: KafkaNodePlan): KafkaSettings {
  const address = (name: string, port: number): string => `${name}://127.0.0.1:${port}`
  const controller = address('CONTROLLER', node.controllerPort)
  const direct = address('DIRECT', node.directPort)
  return {
    'process.roles': 'broker,controller',
    'node.id': node.id,
    'controller.quorum.voters': cluster.nodes.map(one => `${one.id}@127.0.0.1:${one.controllerPort}`).join(','),
    listeners: [address('CLIENT', node.clientPort), direct, controller].join(','),
    'advertised.listeners': [address('CLIENT', node.advertisedPort), direct].join(','),
    'listener.security.protocol.map': `CLIENT:${clientProtocol(cluster)},DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'DIRECT',
  }
}

function replicationSettings(nodeCount: number): KafkaSettings {
  const replicas = [
    'default.replication.factor',
    'offsets.topic.replication.factor',
    'transaction.state.log.replication.factor',
    'share.coordinator.state.topic.replication.factor',
  ]
  const inSync = ['min.insync.replicas', 'transaction.state.log.min.isr', 'share.coordinator.state.topic.min.isr']
  return Object.fromEntries([
    ...replicas.map(name => [name, nodeCount]),
    ...inSync.map(name => [name, nodeCount === 1 ? 1 : nodeCount - 1]),
  ]) as KafkaSettings
}

function tlsSettings(keyStoreFile: string): KafkaSettings {
  return {
    'listener.name.client.ssl.keystore.type': 'PEM',
    'listener.name.client.ssl.keystore.location': keyStoreFile,
  }
}

function saslSettings({ username, password }: KafkaCredentials): KafkaSettings {
  const module = (name: string): string => `org.apache.kafka.common.security.${name}LoginModule required`
  const scram = `${module('scram.Scram')};`
  return {
    'listener.name.client.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.client.plain.sasl.jaas.config': `${module('plain.Plain')} user_${username}="${password}";`,
    'listener.name.client.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.client.scram-sha-512.sasl.jaas.config': scram,
  }
}

/** As a properties file wants it. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
