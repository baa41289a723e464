import { MekongError, type PreparedEvent } from '@mekong/core'
import type { Statement, Transaction } from '@mekong/postgres'

export interface PendingInsertsOptions {
  /** Whether the events of a transaction may wait for its COMMIT. */
  readonly mayPutOff: boolean
  readonly statement: (events: readonly PreparedEvent[]) => Statement
  /** Events are committed or, where that cannot be seen, inserted. */
  readonly published: () => void
}

/** The events of each open transaction: put off until its COMMIT where that is possible. */
export interface PendingInserts {
  /** Events of calls that run at once are inserted in the order of the calls. */
  add(tx: Transaction, prepare: () => Promise<readonly PreparedEvent[]>): Promise<void>
}

export function createPendingInserts({ mayPutOff, statement, published }: PendingInsertsOptions): PendingInserts {
  const putOff = new WeakMap<Transaction, PutOff>()
  const lastOf = new WeakMap<Transaction, Promise<unknown>>()

  const insertNow = async (tx: Transaction, prepare: () => Promise<readonly PreparedEvent[]>): Promise<void> => {
    const preparing = prepare()
    const before = lastOf.get(tx)
    const inserting = (async () => {
      await Promise.allSettled([before, preparing])
      const events = await preparing
      if (events.length === 0) return
      const { text, parameters } = statement(events)
      await tx.query(text, parameters)
      if (tx.afterCommit === undefined) published()
      else tx.afterCommit(published)
    })()
    lastOf.set(
      tx,
      inserting.catch(() => {}),
    )
    await inserting
  }

  return {
    async add(tx, prepare) {
      if (!mayPutOff || tx.beforeCommit === undefined) return insertNow(tx, prepare)
      let pending = putOff.get(tx)
      if (pending === undefined) {
        const created = new PutOff()
        tx.beforeCommit(() => created.takeAll().map(statement))
        tx.afterCommit?.(published)
        putOff.set(tx, created)
        pending = created
      }
      await pending.add(prepare)
    },
  }
}

/** The events of one transaction, by call. */
class PutOff {
  readonly #calls: { events: readonly PreparedEvent[] | undefined }[] = []
  #isTaken = false

  async add(prepare: () => Promise<readonly PreparedEvent[]>): Promise<void> {
    const call: { events: readonly PreparedEvent[] | undefined } = { events: undefined }
    if (this.#isTaken) throw tooLate()
    this.#calls.push(call)
    try {
      call.events = await prepare()
    } catch (error) {
      // A caller that handles the error may go on and commit: of this call there is nothing to insert.
      call.events = []
      throw error
    }
    if (this.#isTaken) throw tooLate()
  }

  /** In groups that are one statement each. */
  takeAll(): readonly (readonly PreparedEvent[])[] {
    this.#isTaken = true
    if (this.#calls.some(({ events }) => events === undefined)) throw tooLate()
    const all = this.#calls.flatMap(({ events }) => events ?? [])
    return all.length === 0 ? [] : [all]
  }
}

function tooLate(): MekongError {
  return new MekongError('INVALID_STATE', 'outbox.publish must be awaited before its transaction ends')
}
