import type { Capabilities, Driver, FailureClass, Fate, Outgoing } from '../../src/driver/driver-contract.ts'

/** One call of `publish`, which the test answers. */
export interface Call {
  readonly batch: readonly Outgoing[]
  readonly timeoutMs: number
  /** Event ids, in the order of the batch. */
  readonly ids: readonly string[]
  answer(fates: readonly Fate[]): void
  /** Whatever a broken driver may answer. */
  answerWith(value: unknown): void
  reject(error: unknown): void
  /** The same fate for all of it. */
  all(fate: Fate): void
}

export interface ScriptedDriver extends Driver {
  readonly calls: Call[]
}

/** Carries what `classify` is to say of it. */
export class BrokerError extends Error {
  readonly failure: FailureClass

  constructor(failure: FailureClass) {
    super(`broker says ${failure}`)
    this.failure = failure
  }
}

export const stored: Fate = { is: 'stored' }
export const notStored = (failure: FailureClass = 'transient'): Fate => ({
  is: 'not-stored',
  error: new BrokerError(failure),
})
export const unknown = (): Fate => ({ is: 'unknown', error: new BrokerError('transient') })

export const capabilities: Capabilities = {
  affinity: 'partition',
  sameKeyBatch: 'together',
  redeliver: { maxDelayMs: 0, blocks: 'partition', keepsPlace: false },
  maxUnsettledMs: 60_000,
  publishDelayMs: 0,
  durable: true,
  backstop: false,
  replay: 'none',
  headers: { max: 100, binary: false },
  maxBytes: 1024 * 1024,
  batch: { entries: 1000, bytes: 1024 * 1024 },
  topicName: /^[\w.-]+$/,
}

/** A driver without a broker. Every call waits for the test, unless `onPublish` answers it. */
export function scriptedDriver(
  changed: Partial<Capabilities> = {},
  onPublish: (call: Call) => void = () => {},
): ScriptedDriver {
  const calls: Call[] = []
  const notPartOfPublishing = (): never => {
    throw new Error('not part of publishing')
  }
  return {
    name: 'scripted',
    capabilities: { ...capabilities, ...changed },
    native: undefined,
    calls,
    partitionOf: message => `${message.topic}/${(message.key ?? '').charCodeAt(0) % 2}`,
    classify: error => (error instanceof BrokerError ? error.failure : 'transient'),
    publish: (batch, timeoutMs) =>
      new Promise((resolve, reject) => {
        const call: Call = {
          batch,
          timeoutMs,
          ids: batch.map(message => message.headers['ce-id'] ?? ''),
          answer: resolve,
          answerWith: value => resolve(value as readonly Fate[]),
          reject,
          all: fate => resolve(batch.map(() => fate)),
        }
        calls.push(call)
        onPublish(call)
      }),
    topology: notPartOfPublishing,
    subscribe: notPartOfPublishing,
    close: notPartOfPublishing,
  }
}
