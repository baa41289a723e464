import { MekongError } from '../error.ts'
import type { HeldEvents, HeldQuery, HeldSelection } from './held-events.ts'
import type { HeldEvent, HoldStore } from './hold-store.ts'

const longestPage = 1000

export interface GroupHeldEventsOptions {
  readonly group: string
  readonly store: HoldStore | undefined
  /** Something is due now in this process. */
  readonly wake: () => void
}

/** The held events of one group, for people and their tools. */
export function groupHeldEvents({ group, store, wake }: GroupHeldEventsOptions): HeldEvents {
  const required = (): HoldStore => {
    if (store !== undefined) return store
    throw new MekongError('INVALID_STATE', `${group} has no hold store: dead events went to the dead-letter topics`)
  }
  const filter = (selection: HeldSelection): HeldSelection & { group: string } => ({ ...selection, group })
  return {
    async list(query: HeldQuery = {}) {
      const { after, limit = 100, ...selection } = query
      return required().list(filter(selection), { after, limit: Math.min(limit, longestPage) })
    },
    async show(subscription: string, event: string): Promise<HeldEvent> {
      const page = await required().list(filter({ subscription, event }), { limit: 1 })
      const [held] = page.events
      if (held !== undefined) return held
      throw new MekongError('HELD_NOT_FOUND', `${subscription} of ${group} holds no event '${event}'`)
    },
    async redrive(selection: HeldSelection = {}) {
      const count = await required().redrive(filter(selection))
      wake()
      return count
    },
    async discard(selection: HeldSelection) {
      const count = await required().discard(filter(selection))
      wake()
      return count
    },
  }
}
