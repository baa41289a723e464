export { adapter, kafka } from './kafka-driver.ts'
export type {
  KafkaConsumeOptions,
  KafkajsClient,
  KafkaOptions,
  KafkaSasl,
  KafkaTopicOptions,
} from './kafka-driver-options.ts'
export type { Compression } from './client/kafka-client.ts'
export { KafkaBrokerError, KafkaRequestError, type RequestFailure } from './client/kafka-error.ts'
