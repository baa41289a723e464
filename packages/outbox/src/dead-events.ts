import type { Query, TableName } from '@mekong/postgres'

/** An event that the broker refused for good, as it stands in the outbox's blocked table. */
export interface DeadEvent {
  readonly id: string
  readonly type: string
  readonly topic: string
  readonly key: string | undefined
  /** Code and message of the refusal. */
  readonly reason: string
  /** Milliseconds since the epoch. */
  readonly deadSince: number
  /** Events of its key that wait behind it, as far as they were read from the outbox. */
  readonly waiting: number
}

/** What a person may do about dead events. Works without a running relay, which then does it when it runs. */
export interface DeadEvents {
  /** Oldest first. @default limit 100 */
  list(query?: {
    readonly topic?: string | undefined
    readonly limit?: number | undefined
  }): Promise<readonly DeadEvent[]>
  /** Publishes it again, then what waits behind it, in order. False: it is not dead. */
  retry(id: string): Promise<boolean>
  /** Gives it up for good; what waits behind it goes on without it. False: it is not dead. */
  discard(id: string): Promise<boolean>
}

/** @param decided called after a decision, for a relay of this process */
export function createDeadEvents(query: Query, table: TableName, decided: () => void): DeadEvents {
  const blocked = table('outbox_blocked')

  // The relay deletes, and says which row of the key is next: it alone knows what it is moving there right now.
  const decide = async (id: string, state: 'due' | 'discarded'): Promise<boolean> => {
    const found = await query(
      `update ${blocked} set state = $2::text where id = $1::text::uuid and state = 'dead' returning id::text as id`,
      [id, state],
    )
    if (found.length > 0) decided()
    return found.length > 0
  }

  return {
    async list({ topic, limit = 100 } = {}) {
      const lines = await query<Omit<DeadEvent, 'key'> & { key: string | null }>(
        `select id::text as id, type, aggregatetype as topic, aggregateid as key, reason,
           (extract(epoch from blocked_at) * 1000)::float8 as "deadSince",
           (select count(*)::int from ${blocked} as w
            where w.aggregatetype = b.aggregatetype and w.aggregateid = b.aggregateid and w.state = 'waiting') as waiting
         from ${blocked} as b where state = 'dead' and ($1::text is null or aggregatetype = $1::text)
         order by position limit $2::int`,
        [topic ?? null, limit],
      )
      return lines.map(line => ({ ...line, key: line.key ?? undefined }))
    },
    retry: id => decide(id, 'due'),
    discard: id => decide(id, 'discarded'),
  }
}
