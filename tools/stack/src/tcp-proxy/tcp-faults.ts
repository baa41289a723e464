import { createStreamConditions, type StreamConditions } from './proxied-stream.ts'

/** Which way bytes go: from the client to the server, or back. */
export type StreamDirection = 'to-server' | 'to-client'

/** The faults of a proxy that concern what travels on a connection. */
export interface TcpFaults {
  readonly toServer: StreamConditions
  readonly toClient: StreamConditions
  change(direction: StreamDirection | undefined, change: (conditions: StreamConditions) => void): void
  dropReply(isRequest: (bytes: Buffer) => boolean): Promise<boolean>
  /** Takes a dropped reply for the connection on which these bytes of a client came: what to call when it is dropped. */
  onRequest(bytes: Buffer): (() => void) | undefined
  restore(): void
}

interface DroppedReply {
  readonly isRequest: (bytes: Buffer) => boolean
  readonly settle: (isDropped: boolean) => void
}

export function createTcpFaults(): TcpFaults {
  const toServer = createStreamConditions()
  const toClient = createStreamConditions()
  let waiting: DroppedReply | undefined

  function takeBackReply(): void {
    waiting?.settle(false)
    waiting = undefined
  }

  function change(direction: StreamDirection | undefined, one: (conditions: StreamConditions) => void): void {
    if (direction !== 'to-client') one(toServer)
    if (direction !== 'to-server') one(toClient)
  }

  return {
    toServer,
    toClient,
    change,
    dropReply(isRequest) {
      takeBackReply()
      return new Promise(settle => {
        waiting = { isRequest, settle }
      })
    },
    onRequest(bytes) {
      if (waiting?.isRequest(bytes) !== true) return undefined
      const { settle } = waiting
      waiting = undefined
      return () => settle(true)
    },
    restore() {
      takeBackReply()
      change(undefined, conditions => conditions.restore())
    },
  }
}
