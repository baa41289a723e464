import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MekongError, messageOf } from '../error.ts'
import { type BrokerUrl, parseBrokerUrl } from './broker-url.ts'
import type { Adapter, Driver } from './driver-contract.ts'

/** Which package opens a scheme when the application does not pass its adapter in `drivers`. */
const packages: ReadonlyMap<string, string> = new Map([
  ['memory', '@mekong/core/memory'],
  ['kafka', '@mekong/adapter-kafka'],
  ['kafka+ssl', '@mekong/adapter-kafka'],
  ['amqp', '@mekong/adapter-rabbitmq'],
  ['amqps', '@mekong/adapter-rabbitmq'],
  ['sqs', '@mekong/adapter-sqs'],
  ['sns', '@mekong/adapter-sns'],
  ['kinesis', '@mekong/adapter-kinesis'],
])

const URL_START = /^[a-z][a-z\d+.-]*:/i

/**
 * A driver as it is, or the one that the URL's scheme names.
 * @throws MekongError INVALID_CONFIGURATION for what is no broker URL, ADAPTER_MISSING naming the package to install
 */
export async function resolveDriver(
  path: string,
  broker: string | URL | Driver,
  adapters: readonly Adapter[],
): Promise<Driver> {
  if (typeof broker === 'object' && !(broker instanceof URL)) return broker
  const url = parse(path, broker instanceof URL ? broker.href : broker)
  const adapter =
    adapters.find(({ schemes }) => schemes.includes(url.scheme)) ?? (await importAdapter(path, url.scheme))
  return adapter.open(url)
}

function parse(path: string, broker: string): BrokerUrl {
  if (URL_START.test(broker)) return parseBrokerUrl(broker, path)
  throw new MekongError('INVALID_CONFIGURATION', `${path} is not a URL; ${allowed()}`)
}

async function importAdapter(path: string, scheme: string): Promise<Adapter> {
  const name = packages.get(scheme)
  if (name === undefined) {
    throw new MekongError('INVALID_CONFIGURATION', `${path}: no adapter opens '${scheme}:'; ${allowed()}`)
  }
  const module = name === '@mekong/core/memory' ? await import('../memory/index.ts') : await importPackage(name, scheme)
  return module.adapter
}

async function importPackage(name: string, scheme: string): Promise<{ readonly adapter: Adapter }> {
  try {
    return (await importFromApplication(name)) as { readonly adapter: Adapter }
  } catch (cause) {
    throw new MekongError(
      'ADAPTER_MISSING',
      isMissing(cause, name)
        ? `'${scheme}:' needs the package ${name}: npm install ${name}`
        : `${name} could not be loaded: ${messageOf(cause)}`,
      { cause },
    )
  }
}

/**
 * Adapters are dependencies of the application. Where package managers keep the dependencies of packages apart, this package
 * cannot see them; the application's program and its working folder can.
 */
async function importFromApplication(name: string): Promise<unknown> {
  try {
    return await import(name)
  } catch (error) {
    if (!isMissing(error, name)) throw error
    const found = [process.argv[1], join(process.cwd(), 'package.json')].map(from => resolveFrom(from, name))
    const path = found.find(one => one !== undefined)
    if (path === undefined) throw error
    return import(pathToFileURL(path).href)
  }
}

function resolveFrom(from: string | undefined, name: string): string | undefined {
  try {
    return from === undefined ? undefined : createRequire(from).resolve(name)
  } catch {
    return undefined
  }
}

function isMissing(error: unknown, name: string): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  return code.includes('NOT_FOUND') && messageOf(error).includes(name)
}

function allowed(): string {
  return `allowed are ${[...packages.keys()].map(scheme => (scheme === 'memory' ? 'memory:' : `${scheme}://…`)).join(', ')}, or a driver`
}
