import type { Load } from './load.ts'

/** What the processes of a run are told, as JSON in their first argument. */
export interface Settings {
  readonly broker: string
  readonly databaseUrl: string
  readonly redisUrl: string
  /** Of this run alone, so that members that were killed before are in nobody's way. */
  readonly group: string
  /** Of the events, and by that the name of their topic: of this run alone. */
  readonly type: string
  readonly load: Load
  /** Publishing is not faster, so that a fault meets both sides at work. */
  readonly eventsPerSecond: number
  /** Keeps an effect from happening twice: the inbox, beside it in the database, or claims in Redis. */
  readonly once: 'inbox' | 'redis'
  /** Handling the first event of the load takes so long. */
  readonly slowMs: number
}

export function readSettings(): Settings {
  return JSON.parse(process.argv[2] ?? '') as Settings
}
