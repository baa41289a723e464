import * as zlib from 'node:zlib'
import { promisify } from 'node:util'
import { MekongError } from '@mekong/core/driver'
import kafkajs from 'kafkajs'
import type { Compression } from '../client/kafka-client.ts'

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(buffer: Buffer): Promise<Buffer>
}

interface CodecModule {
  readonly default: unknown
}

// A CommonJS module, some names of which Node cannot find.
const { CompressionCodecs, CompressionTypes } = kafkajs

/** Codecs that kafkajs has not got. gzip it has. */
const missing = {
  snappy: { type: CompressionTypes.Snappy, package: 'kafkajs-snappy' },
  lz4: { type: CompressionTypes.LZ4, package: 'kafkajs-lz4' },
  zstd: { type: CompressionTypes.ZSTD, package: '@kafkajs/zstd' },
} as const

type MissingCodec = keyof typeof missing

const prepared = new Set<MissingCodec>()

/**
 * zstd comes with Node since 22.15; the others with a package, unless the application has given kafkajs a codec itself.
 * @throws MekongError INVALID_CONFIGURATION naming the package
 */
export async function prepareCompression(compression: Compression): Promise<void> {
  if (compression === 'none' || compression === 'gzip') return
  if (prepared.has(compression) || isGiven(compression)) return
  const codec = compression === 'zstd' ? nodeZstd() : undefined
  const { type } = missing[compression]
  CompressionCodecs[type] = codec === undefined ? await load(compression) : () => codec
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

async function load(compression: MissingCodec): Promise<() => Codec> {
  const { package: name } = missing[compression]
  try {
    return codecOf((await import(name)) as CodecModule)
  } catch (cause) {
    throw new MekongError('INVALID_CONFIGURATION', `kafka: compression ${compression} needs the package ${name}`, {
      cause,
    })
  }
}

/** A function that gives the codec (snappy), or a class that makes such functions (lz4, zstd). */
function codecOf({ default: exported }: CodecModule): () => Codec {
  const inner = (exported as { readonly default?: unknown }).default ?? exported
  const isClass = typeof inner === 'function' && 'codec' in ((inner.prototype as object | undefined) ?? {})
  if (!isClass) return inner as () => Codec
  return new (inner as new () => { readonly codec: () => Codec })().codec
}

function nodeZstd(): Codec | undefined {
  if (!('zstdCompress' in zlib)) return undefined
  const { zstdCompress, zstdDecompress } = zlib as unknown as Record<string, typeof zlib.gzip>
  if (zstdCompress === undefined || zstdDecompress === undefined) return undefined
  const compress = promisify(zstdCompress)
  const decompress = promisify(zstdDecompress)
  return { compress: encoder => compress(encoder.buffer), decompress: buffer => decompress(buffer) }
}
