import * as zlib from 'node:zlib'
import { promisify } from 'node:util'
import { MekongError } from '@mekong/core/driver'
import kafkajs from 'kafkajs'
import type { Compression } from '../client/kafka-client.ts'

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(buffer: Buffer): Promise<Buffer>
}

// A CommonJS module, some names of which Node cannot find.
const { CompressionCodecs, CompressionTypes } = kafkajs

/** Codecs that kafkajs has not got, and where they come from. gzip it has. */
const missing = {
  snappy: { type: CompressionTypes.Snappy, load: loadSnappy, needs: 'the package kafkajs-snappy' },
  lz4: { type: CompressionTypes.LZ4, load: loadLz4, needs: 'the package lz4-napi' },
  zstd: { type: CompressionTypes.ZSTD, load: loadZstd, needs: 'Node 22.15' },
} as const

type MissingCodec = keyof typeof missing

const prepared = new Set<MissingCodec>()

/**
 * Gives kafkajs the codec, unless the application has given it one of its own (`CompressionCodecs` of kafkajs).
 * @throws MekongError INVALID_CONFIGURATION naming what is needed
 */
export async function prepareCompression(compression: Compression): Promise<void> {
  if (compression === 'none' || compression === 'gzip') return
  if (prepared.has(compression) || isGiven(compression)) return
  const { type, load, needs } = missing[compression]
  try {
    const codec = await load()
    CompressionCodecs[type] = () => codec
  } catch (cause) {
    throw new MekongError('INVALID_CONFIGURATION', `kafka: compression ${compression} needs ${needs}`, { cause })
  }
  prepared.add(compression)
}

let decompressing: Promise<void> | undefined

/** What others compressed may come in any way: every codec that can be had is had before something arrives. */
export function prepareDecompression(): Promise<void> {
  decompressing ??= prepareAll()
  return decompressing
}

async function prepareAll(): Promise<void> {
  const codecs = Object.keys(missing) as MissingCodec[]
  await Promise.allSettled(codecs.map(compression => prepareCompression(compression)))
}

/** The placeholder of kafkajs throws when it is asked for its codec. */
function isGiven(compression: MissingCodec): boolean {
  try {
    return typeof (CompressionCodecs[missing[compression].type] as () => unknown)() === 'object'
  } catch {
    return false
  }
}

async function loadSnappy(): Promise<Codec> {
  return (await import('kafkajs-snappy')).default()
}

/** Kafka keeps lz4 in its frame format. */
async function loadLz4(): Promise<Codec> {
  const { compressFrame, decompressFrame } = (await import('lz4-napi')).default
  return { compress: ({ buffer }) => compressFrame(buffer), decompress: buffer => decompressFrame(buffer) }
}

async function loadZstd(): Promise<Codec> {
  if (!('zstdCompress' in zlib)) throw new Error('this Node has no zstd')
  const compress = promisify(zlib.zstdCompress)
  const decompress = promisify(zlib.zstdDecompress)
  return { compress: ({ buffer }) => compress(buffer), decompress: buffer => decompress(buffer) }
}
