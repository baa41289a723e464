import { sagaTimeline, type TimelineEntry } from '@mekong/saga'
import type { RunningService } from './open-service.ts'
import type { Tally } from './tally.ts'

/** What whoever runs a service may ask of it, in this process or over HTTP. */
export interface ServiceControl {
  /** Rejects while the service cannot be asked, or its database cannot. */
  status(options: StatusOptions): Promise<ServiceStatus>
  /** What an operator does once the cause of dead letters is mended: resolves with how many are handled again. */
  redriveDead(): Promise<number>
  /** What this service wrote down of one order, in order. */
  timeline(orderId: string): Promise<readonly TimelineEntry[]>
}

export interface StatusOptions {
  /** Whether the outbox is walked and counted as well: only once nothing else is left. */
  readonly outbox: boolean
}

export interface ServiceStatus {
  /** How much has not ended, by what it is called. */
  readonly unfinished: Readonly<Record<string, number>>
  /** What its bus did since this process began. */
  readonly tally: Tally
  /** What the service itself says is wrong. */
  readonly problems: readonly string[]
}

export interface ControlledService {
  readonly running: RunningService
  readonly tally: Tally
  /** Counts what is under way in the tables of the service. */
  readonly countOpen: (running: RunningService) => Promise<Readonly<Record<string, number>>>
}

export function serviceControl({ running, tally, countOpen }: ControlledService): ServiceControl {
  const { eventBus, relay, sql, schema } = running
  return {
    async status({ outbox }) {
      const held = await eventBus.held.list({ limit: 1000 })
      const open = { ...(await countOpen(running)), 'held events': held.events.length }
      const waiting = outbox ? { 'events in outboxes': (await relay.stats()).undelivered } : {}
      return { unfinished: { ...open, ...waiting }, tally: { ...tally }, problems: problemsOf(running) }
    },
    async redriveDead() {
      const { events } = await eventBus.held.list({ state: 'dead', limit: 1 })
      return events.length === 0 ? 0 : eventBus.held.redrive({ state: 'dead' })
    },
    timeline: orderId => sagaTimeline(sql, { schema, instance: orderId }),
  }
}

/** One line for each thing that is wrong. */
export function problemsOf({ eventBus, relay }: RunningService): readonly string[] {
  return [...eventBus.health().problems, ...relay.health().problems]
}
