import type { FailureClass } from '../driver/driver-contract.ts'

/** An error of the memory broker, with what it means to the bus. */
export class MemoryBrokerError extends Error {
  override readonly name = 'MemoryBrokerError'
  readonly failure: FailureClass

  constructor(failure: FailureClass, message: string) {
    super(message)
    this.failure = failure
  }
}

export function classify(error: unknown): FailureClass {
  return error instanceof MemoryBrokerError ? error.failure : 'transient'
}
