import { MekongError } from '@mekong/core/driver'
import type * as platformatic from '@platformatic/kafka'
import type { API, Connection } from '@platformatic/kafka'

export type Library = typeof platformatic

/** The Node versions that @platformatic/kafka 2.12 runs on: from 22.22, and from 24.6. */
const NEEDED: Readonly<Record<number, number>> = { 22: 22, 24: 6 }
const PACKAGE = '@platformatic/kafka'

/**
 * @param version as in `process.versions.node`
 * @throws MekongError INVALID_CONFIGURATION on a Node that the library does not run on
 */
export function checkNodeVersion(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major >= 22 && minor >= (NEEDED[major] ?? 0)) return
  throw new MekongError(
    'INVALID_CONFIGURATION',
    `kafka: client "platformatic" needs Node 22.22 or 24.6 or later, and this is ${version}; the default client runs on it`,
  )
}

let library: Promise<Library> | undefined

/**
 * Loads the library when it is first needed: it is an optional peer.
 * @throws MekongError INVALID_CONFIGURATION when it is not installed
 */
export function loadLibrary(): Promise<Library> {
  return (library ??= import('@platformatic/kafka').catch((cause: unknown) => {
    library = undefined
    throw new MekongError(
      'INVALID_CONFIGURATION',
      `kafka: client "platformatic" needs the package ${PACKAGE}; npm install ${PACKAGE}@2`,
      { cause },
    )
  }))
}

/**
 * The requests that are made, in the one version of each that is used: known to every Kafka from 3.0 to 4.x, so that nothing
 * has to be negotiated. Fetches name topics instead of their ids, which is what the adapter knows them by.
 */
const requestNames = {
  Produce: 'produceV9',
  Fetch: 'fetchV12',
  ListOffsets: 'listOffsetsV7',
  Metadata: 'metadataV12',
  OffsetCommit: 'offsetCommitV8',
  OffsetFetch: 'offsetFetchV8',
  FindCoordinator: 'findCoordinatorV4',
  JoinGroup: 'joinGroupV7',
  Heartbeat: 'heartbeatV4',
  LeaveGroup: 'leaveGroupV4',
  SyncGroup: 'syncGroupV4',
  CreateTopics: 'createTopicsV7',
  DescribeConfigs: 'describeConfigsV4',
} as const

export type RequestName = keyof typeof requestNames

type Codec<Name extends RequestName> = Library[(typeof requestNames)[Name]]['api']
export type ValuesOf<Name extends RequestName> = Codec<Name> extends API<infer Values, unknown> ? Values : never
export type AnswerOf<Name extends RequestName> = Codec<Name> extends API<never, infer Answer> ? Answer : never

/** Writes the request to the connection; `answered` is called once. */
export type WriteRequest<Values extends unknown[], Answer> = (
  connection: Connection,
  ...rest: [...Values, answered: (error: Error | null, answer?: Answer) => void]
) => void

export function requestOf<Name extends RequestName>(
  library: Library,
  name: Name,
): WriteRequest<ValuesOf<Name>, AnswerOf<Name>> {
  return library[requestNames[name]].api as unknown as WriteRequest<ValuesOf<Name>, AnswerOf<Name>>
}

/** Each request with its number and its version in the protocol. */
export function requestVersions(library: Library): readonly { name: string; key: number; version: number }[] {
  return Object.entries(requestNames).map(([name, codec]) => {
    const { key, version } = library[codec].api
    return { name, key, version }
  })
}
