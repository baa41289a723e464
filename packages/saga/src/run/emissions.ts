import { MekongError, type PublishOptions } from '@mekong/core'
import type { Outcome } from '../declare/flow.ts'

/** An event that a handler asked for. */
export interface Emission {
  readonly type: string
  readonly data: unknown
  readonly options: PublishOptions | undefined
}

/** Collects what one run of a step emits, and holds it to the outcomes that the saga declares. */
export interface Emissions {
  /** @throws MekongError SAGA_STATE_CONFLICT for what is not declared, emitted twice, or too late */
  emit(type: string, data: unknown, options?: PublishOptions): void
  /**
   * To be called when the handler is done: which outcome it was, and its events in the order of the calls.
   * @throws MekongError SAGA_STATE_CONFLICT when they are not the events of exactly one outcome
   */
  close(): { readonly outcome: Outcome; readonly emitted: readonly Emission[] }
}

export function collectEmissions(step: string, outcomes: readonly Outcome[]): Emissions {
  const emitted: Emission[] = []
  let open = true
  return {
    emit(type, data, options) {
      if (!open)
        throw conflict(`the step "${step}" emitted "${type}" after it had ended: an await is missing in its handler`)
      if (!outcomes.some(({ emits }) => emits.includes(type))) {
        throw conflict(`the step "${step}" emitted "${type}", which it does not declare: ${choices(outcomes)}`)
      }
      if (emitted.some(other => other.type === type))
        throw conflict(`the step "${step}" emitted "${type}" twice in one run`)
      emitted.push({ type, data, options })
    },
    close() {
      open = false
      const outcome = outcomes.find(
        ({ emits }) => emits.length === emitted.length && emitted.every(({ type }) => emits.includes(type)),
      )
      if (outcome !== undefined) return { outcome, emitted }
      const found = emitted.length === 0 ? 'nothing' : emitted.map(({ type }) => `"${type}"`).join(' and ')
      throw conflict(`the step "${step}" ended and emitted ${found}: ${choices(outcomes)}`)
    },
  }
}

function choices(outcomes: readonly Outcome[]): string {
  const ways = outcomes.map(({ emits }) =>
    emits.length === 0 ? 'nothing' : emits.map(type => `"${type}"`).join(' and '),
  )
  return `declared is ${ways.join(', or ')}`
}

function conflict(message: string): MekongError {
  return new MekongError('SAGA_STATE_CONFLICT', message)
}
