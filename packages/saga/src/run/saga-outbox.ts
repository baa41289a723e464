import type { Cause, PublishOptions } from '@mekong/core'
import type { Transaction } from '@mekong/postgres'

/** What a saga needs of an outbox; that of `@mekong/outbox` is one. */
export interface SagaOutbox {
  /** Stores an event in this transaction, to be published once it has committed, and never otherwise. */
  publish(
    tx: Transaction,
    type: string,
    data: unknown,
    options: PublishOptions & { readonly cause: Cause },
  ): Promise<unknown>
}
