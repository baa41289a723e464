import kafkajs from 'kafkajs'
import type { OutgoingRecord } from '../client/kafka-client.ts'
import { recordBatch, type BatchCompression } from './record-batch.ts'

/** As the codec of kafkajs takes it. */
export interface ProduceParameters {
  readonly acks: number
  readonly timeout: number
  readonly compression: number
  readonly topicData: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly messages: readonly OutgoingRecord[] }[]
  }[]
}

/** The first version of the request that takes batches of format 2; its body is the same up to version 8. */
export const FIRST_VERSION_OF_BATCHES = 3

// A CommonJS module, some names of which Node cannot find.
const codecs: Readonly<Record<number, unknown>> = kafkajs.CompressionCodecs

/** transactional_id acks timeout [topic [partition records]]: https://kafka.apache.org/protocol#The_Messages_Produce */
export async function produceBody({ acks, timeout, compression, topicData }: ProduceParameters): Promise<Buffer> {
  const parts = [int16(-1), int16(acks), int32(timeout), int32(topicData.length)]
  for (const { topic, partitions } of topicData) {
    parts.push(int16(Buffer.byteLength(topic)), Buffer.from(topic), int32(partitions.length))
    for (const { partition, messages } of partitions) {
      const batch = await recordBatch(messages, codecOf(compression))
      parts.push(int32(partition), int32(batch.byteLength), batch)
    }
  }
  return Buffer.concat(parts)
}

function codecOf(type: number): BatchCompression {
  if (type === 0) return { type, compress: undefined }
  const codec = (codecs[type] as () => Codec)()
  return { type, compress: records => codec.compress({ buffer: records }) }
}

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
}

function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}
