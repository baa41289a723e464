import type { HandlerContext } from '@mekong/core'
import type { InboxContext, PostgresInbox, Sql } from '@mekong/postgres'
import type { Saga } from '../declare/declaration.ts'
import type { Step } from '../declare/flow.ts'
import type { InstanceId, InstanceStore } from '../store/instance-store.ts'
import type { SagaSignal } from './saga-signal.ts'
import type { StepArrival, StepReport } from './step-runner.ts'

export interface EventHandlerParts {
  readonly saga: Saga
  readonly sql: Sql
  readonly inbox: PostgresInbox
  readonly instances: InstanceStore
  readonly runStep: (arrived: StepArrival) => Promise<StepReport>
  readonly observe: (signal: SagaSignal) => void
}

interface Arrived {
  readonly event: unknown
  readonly context: HandlerContext
  readonly id: InstanceId
}

/** Makes the handler of one event type for one step: through the inbox to the instance, and on to the step. */
export function createEventHandler(
  parts: EventHandlerParts,
): (step: Step, type: string) => (event: unknown, context: HandlerContext) => Promise<void> {
  const { saga, sql, inbox, instances, runStep, observe } = parts
  const correlate = saga.correlate as ((event: unknown) => string) | undefined
  return (step, type) => {
    const inTransaction = inbox.handler(async ({ event, context, id }: Arrived, _: InboxContext, tx) => {
      const steps = await instances.lock(tx.query, id)
      const arrival = { is: 'event' as const, type, id: context.identity.event, data: event }
      const { cause, attempt, signal } = context
      const report = await runStep({ step, instance: id.instance, arrival, cause, attempt, signal, context, tx, steps })
      if (report.action === 'duplicate') context.markDuplicate()
      tx.afterCommit?.(() => observe({ is: 'step', ...report }))
    })
    return async (event, context) => {
      const id = { saga: saga.name, instance: correlate?.(event) ?? context.correlationId }
      let isDuplicate = false
      const markDuplicate = (): void => {
        isDuplicate = true
        context.markDuplicate()
      }
      await inTransaction({ event, context, id }, { identity: context.identity, signal: context.signal, markDuplicate })
      if (!isDuplicate) return
      const { text, parameters } = instances.countDuplicate(id, step.name, context.identity.event)
      await sql.query(text, parameters)
      observe({
        is: 'step',
        step: step.name,
        instance: id.instance,
        action: 'duplicate',
        outcome: undefined,
        emitted: [],
      })
    }
  }
}
