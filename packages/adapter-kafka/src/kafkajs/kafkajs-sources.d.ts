/** Neither the sources of kafkajs nor its snappy have declarations. */
declare module 'kafkajs/src/protocol/requests/index.js' {
  const module: { readonly requests: Readonly<Record<string, object>> }
  export default module
}

declare module 'kafkajs/src/consumer/filterAbortedMessages.js' {
  const filter: <Message>(input: {
    readonly messages: readonly Message[]
    readonly abortedTransactions: readonly object[] | null
  }) => readonly Message[]
  export default filter
}

declare module 'kafkajs/src/producer/partitioners/default/murmur2.js' {
  const murmur2: (key: Buffer) => number
  export default murmur2
}

declare module 'kafkajs/src/protocol/recordBatch/crc32C/index.js' {
  const crc32C: (bytes: Buffer) => number
  export default crc32C
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  const RequestQueue: { readonly prototype: { scheduleCheckPendingRequests: () => void } }
  export default RequestQueue
}

declare module 'kafkajs-snappy' {
  const createCodec: () => {
    compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
    decompress(buffer: Buffer): Promise<Buffer>
  }
  export default createCodec
}

/** For tests: what reads a batch back. */
declare module 'kafkajs/src/protocol/decoder.js' {
  const Decoder: new (bytes: Buffer) => object
  export default Decoder
}

declare module 'kafkajs/src/protocol/recordBatch/v0/decoder.js' {
  interface Batch {
    readonly firstTimestamp: string
    readonly maxTimestamp: string
    readonly producerId: string
    readonly producerEpoch: number
    readonly firstSequence: number
    readonly lastOffsetDelta: number
    readonly records: readonly {
      readonly offset: string
      readonly timestamp: string
      readonly key: Buffer | null
      readonly value: Buffer | null
      readonly headers: Readonly<Record<string, Buffer>>
    }[]
  }
  const decodeBatch: (decoder: unknown) => Promise<Batch>
  export default decodeBatch
}
