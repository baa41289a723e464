import type { ConnectionOptions } from 'node:tls'

/** How the connections of any client are opened. */
export interface ConnectionSettings {
  /** Where the cluster is found: one that answers is enough. */
  readonly seeds: readonly Seed[]
  readonly clientId: string
  readonly connectTimeoutMs: number
  /** Undefined: no TLS. */
  readonly tls: ConnectionOptions | undefined
  readonly sasl: SaslSettings | undefined
}

export interface Seed {
  readonly host: string
  readonly port: number
}

export type SaslSettings =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
      readonly username: string
      readonly password: string
    }
  | {
      readonly mechanism: 'OAUTHBEARER'
      /** Asked for each connection, and again before a session ends. */
      readonly token: () => Promise<string>
    }
