import {
  AbstractKafkaConsumer,
  AbstractKafkaPublisher,
  type DeserializedMessage,
  type KafkaConsumerDependencies,
  KafkaHandlerConfig,
  KafkaHandlerRoutingBuilder,
} from '@message-queue-toolkit/kafka'
import { MessagesStreamModes, ProduceAcks } from '@platformatic/kafka'
import { callers, publishSingly } from '../callers.ts'
import type { Contender, Prepare, Prepared, Work } from '../contender.ts'
import { withVersion } from '../package-version.ts'
import { attributes, type Payload, payloadSchema } from '../payload.ts'
import { createTally } from '../tally.ts'
import { brokersOf } from './kafka-broker.ts'

type Topics = [{ topic: string; schema: typeof payloadSchema }]

const eventsAtOnce = 1000
const batch = { batchSize: 500, timeoutMilliseconds: 100 }

class Publisher extends AbstractKafkaPublisher<Topics> {}
class BatchConsumer extends AbstractKafkaConsumer<Topics, undefined, true> {}

/** A publisher, which takes one event a call, and a consumer of batches, each of which is committed. */
export const contender: Contender = {
  name: withVersion('@message-queue-toolkit/kafka'),
  measures: { publish: publishWith(eventsAtOnce), 'publish-singles': publishWith(callers), consume },
}

function publishWith(callersAtOnce: number): Prepare {
  return async ({ url, topic, messages }) => {
    const publisher = new Publisher(dependencies, {
      kafka: kafkaOf(url),
      topicsConfig: [{ topic, schema: payloadSchema }],
      acks: ProduceAcks.ALL,
    })
    await publisher.init()
    const publish = (event: Payload): Promise<void> =>
      publisher.publish(topic, event, undefined, { key: event.key, headers: attributes(event, topic, 'ce_') })
    return { run: () => publishSingly(messages, publish, callersAtOnce), close: () => publisher.close() }
  }
}

async function consume({ url, topic, group, messages }: Work): Promise<Prepared> {
  const { handle, all } = createTally(messages)
  const handleBatch = async (events: readonly DeserializedMessage<Payload>[]): Promise<void> => {
    for (const { value } of events) await handle(value)
  }
  const handlers = new KafkaHandlerRoutingBuilder<Topics, undefined, true>()
    .addConfig(topic, new KafkaHandlerConfig(payloadSchema, handleBatch))
    .build()
  const consumer = new BatchConsumer(
    dependencies,
    {
      kafka: kafkaOf(url),
      groupId: group,
      handlers,
      mode: MessagesStreamModes.EARLIEST,
      batchProcessingEnabled: true,
      batchProcessingOptions: batch,
    },
    undefined,
  )
  return {
    async run() {
      await consumer.init()
      await all
      await consumer.close()
    },
    close: () => Promise.resolve(),
  }
}

function kafkaOf(url: string): { bootstrapBrokers: string[]; clientId: string } {
  return { bootstrapBrokers: brokersOf(url), clientId: 'bench' }
}

const ignore = (): void => undefined
const logger: KafkaConsumerDependencies['logger'] = {
  level: 'error',
  msgPrefix: undefined,
  isLevelEnabled: () => false,
  silent: ignore,
  trace: ignore,
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: console.error,
  fatal: console.error,
  child: () => logger,
}
const dependencies: KafkaConsumerDependencies = {
  logger,
  errorReporter: { report: ({ error }) => console.error(error) },
  transactionObservabilityManager: { start: ignore, stop: ignore, startWithGroup: ignore, addCustomAttributes: ignore },
}
