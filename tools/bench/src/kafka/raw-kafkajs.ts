import { Kafka, logLevel, Partitioners, type Message, type Producer } from 'kafkajs'
import { type Contender, payload, publishSingly, type Work } from '../contender.ts'

const portion = 500
const portionsUnderWay = 2

/** kafkajs used well: sendBatch in large portions, eachBatch with one commit a batch. */
export const contender: Contender = {
  name: 'kafkajs 2.2.4',
  measures: {
    async publish(work) {
      const { producer, verify, close } = await open(work)
      return {
        async run() {
          let next = 0
          const send = async (): Promise<void> => {
            while (next < work.messages) {
              const first = next
              next += portion
              const messages = Array.from({ length: Math.min(portion, work.messages - first) }, (_, at) =>
                record(first + at),
              )
              await producer.sendBatch({ acks: -1, topicMessages: [{ topic: work.topic, messages }] })
            }
          }
          await Promise.all(Array.from({ length: portionsUnderWay }, send))
        },
        verify,
        close,
      }
    },
    async 'publish-singles'(work) {
      const { producer, verify, close } = await open(work)
      return {
        run: () =>
          publishSingly(work.messages, index =>
            producer.send({ topic: work.topic, acks: -1, messages: [record(index)] }),
          ),
        verify,
        close,
      }
    },
    async consume(work) {
      const { kafka, producer, close } = await open(work)
      for (let first = 0; first < work.messages; first += portion) {
        const messages = Array.from({ length: Math.min(portion, work.messages - first) }, (_, at) => record(first + at))
        await producer.sendBatch({ acks: -1, topicMessages: [{ topic: work.topic, messages }] })
      }
      const consumer = kafka.consumer({ groupId: `${work.topic}-group` })
      await consumer.connect()
      await consumer.subscribe({ topic: work.topic, fromBeginning: true })
      let handled = 0
      let total = 0
      return {
        async run() {
          await new Promise<void>((resolve, reject) => {
            const eachBatch = consumer.run({
              autoCommit: false,
              eachBatch: async each => {
                for (const { value, offset } of each.batch.messages) {
                  total += (JSON.parse(String(value)) as { total: number }).total
                  handled++
                  each.resolveOffset(offset)
                }
                await each.commitOffsetsIfNecessary(each.uncommittedOffsets())
                if (handled >= work.messages) resolve()
              },
            })
            eachBatch.catch(reject)
          })
        },
        verify: async () => (total === (work.messages * (work.messages - 1)) / 2 ? handled : 0),
        async close() {
          await consumer.disconnect()
          await close()
        },
      }
    },
  },
}

function record(index: number): Message {
  const event = payload(index)
  return {
    key: event.key,
    value: JSON.stringify(event),
    headers: { ce_specversion: '1.0', ce_id: event.id, ce_type: 'order.created', ce_source: 'order' },
  }
}

interface Open {
  readonly kafka: Kafka
  readonly producer: Producer
  readonly verify: () => Promise<number>
  readonly close: () => Promise<void>
}

async function open({ url, topic, partitions }: Work): Promise<Open> {
  const brokers = url.replace('kafka://', '').split(',')
  const kafka = new Kafka({ brokers, clientId: 'bench', logLevel: logLevel.ERROR })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true })
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  return {
    kafka,
    producer,
    async verify() {
      const offsets = await admin.fetchTopicOffsets(topic)
      return offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
    },
    async close() {
      await producer.disconnect()
      await admin.disconnect()
    },
  }
}
