import type { BrokerUrl } from '@mekong/core/driver'
import type { Compression } from './client/kafka-client.ts'
import {
  consumeNames,
  DEFAULT_PORT,
  invalid,
  mechanisms,
  numbers,
  refuseUnknown,
  requireOneOf,
  type KafkaOptions,
} from './kafka-driver-options.ts'

/**
 * Reads `kafka://host:port,host:port?parameter=value`; `kafka+ssl://` with TLS, and with user and password for SASL.
 * @throws MekongError INVALID_CONFIGURATION
 */
export function parseKafkaUrl({ scheme, username, password, hosts, path, parameters }: BrokerUrl): KafkaOptions {
  if (path !== undefined && path !== '') throw invalid('broker URL: kafka:// has no path')
  const values = Object.fromEntries(parameters)
  refuseUnknown('broker URL', values, urlParameters)
  const tls = scheme === 'kafka+ssl'
  const consume: Record<string, unknown> = {}
  for (const name of consumeNames) {
    const value = values[name]
    if (value !== undefined) consume[name] = name === 'rack' || name === 'outOfRange' ? value : Number(value)
  }
  return {
    brokers: hosts.map(({ host, port = DEFAULT_PORT }) =>
      host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
    ),
    tls,
    ...saslFromUrl(values, { username, password, tls }),
    ...(values['clientId'] !== undefined && { clientId: values['clientId'] }),
    ...(values['compression'] !== undefined && { compression: values['compression'] as Compression }),
    ...(values['client'] !== undefined && { client: values['client'] as 'kafkajs' }),
    ...Object.fromEntries(
      Object.keys(numbers).flatMap(name => (values[name] === undefined ? [] : [[name, Number(values[name])]])),
    ),
    consume,
  }
}

const urlParameters = ['clientId', 'compression', 'client', 'sasl', 'region', ...Object.keys(numbers), ...consumeNames]

function saslFromUrl(
  { sasl, region }: Readonly<Record<string, string | undefined>>,
  { username, password, tls }: { username: string | undefined; password: string | undefined; tls: boolean },
): Pick<KafkaOptions, 'sasl'> {
  if (sasl === undefined && username === undefined) return {}
  const mechanism = sasl ?? 'plain'
  requireOneOf('broker URL: sasl', mechanism, mechanisms)
  if (mechanism === 'oauthbearer') throw invalid('broker URL: sasl=oauthbearer needs a token: use kafka({ sasl })')
  if (mechanism === 'aws-msk-iam') {
    if (region === undefined) throw invalid('broker URL: sasl=aws-msk-iam needs region=…')
    return { sasl: { mechanism, region } }
  }
  if (username === undefined || password === undefined)
    throw invalid(`broker URL: sasl=${mechanism} needs user:password@`)
  // A password that anybody on the way can read.
  if (mechanism === 'plain' && !tls) throw invalid('broker URL: sasl=plain needs kafka+ssl://')
  return { sasl: { mechanism, username, password } }
}
