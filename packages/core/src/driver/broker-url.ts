import { MekongError } from '../error.ts'

/** A broker URL in its parts, decoded. Unlike `URL` it has room for several hosts. */
export interface BrokerUrl {
  /** Lower case, without the colon. */
  readonly scheme: string
  readonly username: string | undefined
  readonly password: string | undefined
  /** In the order written; none in `memory:shop`. */
  readonly hosts: readonly BrokerHost[]
  /** What follows the slash after the hosts, or the colon where there are none; undefined when there is no slash. */
  readonly path: string | undefined
  readonly parameters: URLSearchParams
}

export interface BrokerHost {
  /** An IPv6 address comes without its brackets. */
  readonly host: string
  readonly port: number | undefined
}

const form = /^([a-z][a-z\d+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?$/i

/**
 * Reads `scheme://user:password@host:port,host:port/path?parameter=value`. User, password and path are percent-decoded.
 *
 * @param name what messages call it; they never repeat the URL, which may hold a password
 * @throws MekongError INVALID_CONFIGURATION saying which part is wrong
 */
export function parseBrokerUrl(text: string, name = 'broker URL'): BrokerUrl {
  const [, scheme, authority, path, parameters] = form.exec(text) ?? []
  if (scheme === undefined || path === undefined) {
    throw new MekongError('INVALID_CONFIGURATION', `${name} is not a URL of the form scheme://host:port`)
  }
  const credentialsEnd = authority?.lastIndexOf('@') ?? -1
  const [username, password] = parseCredentials(authority?.slice(0, Math.max(0, credentialsEnd)) ?? '', name)
  return {
    scheme: scheme.toLowerCase(),
    username,
    password,
    hosts: parseHosts(authority?.slice(credentialsEnd + 1) ?? '', name),
    path: parsePath(path, name),
    parameters: new URLSearchParams(parameters),
  }
}

function parseCredentials(text: string, name: string): readonly (string | undefined)[] {
  if (text === '') return []
  const colon = text.indexOf(':')
  if (colon < 0) return [decode(text, `${name}: the user`)]
  return [decode(text.slice(0, colon), `${name}: the user`), decode(text.slice(colon + 1), `${name}: the password`)]
}

function parseHosts(text: string, name: string): readonly BrokerHost[] {
  if (text === '') return []
  return text.split(',').map((part, index) => {
    const [, address, host = address, port] = /^(?:\[([\da-f:.]+)\]|([^[\]:]+))(?::(\d{1,5}))?$/i.exec(part) ?? []
    if (host === undefined || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) {
      throw new MekongError('INVALID_CONFIGURATION', `${name}: host ${index + 1} is not of the form host:port`)
    }
    return { host: decode(host, `${name}: host ${index + 1}`), port: port === undefined ? undefined : Number(port) }
  })
}

function parsePath(text: string, name: string): string | undefined {
  return text === '' ? undefined : decode(text.replace(/^\//, ''), `${name}: the path`)
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new MekongError('INVALID_CONFIGURATION', `${what} is not percent-encoded: write % as %25`, { cause })
  }
}
