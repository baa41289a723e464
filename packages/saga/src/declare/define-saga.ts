import type { Contract, EventType } from '@mekong/core'
import type { EndsDeclaration, Saga, SagaDeclaration, StepsDeclaration } from './declaration.ts'
import type { AnyOf } from './events.ts'

/**
 * Declares a saga: who does what on which event, and how it may end. Pure, and not yet judged: `assertSaga` tells
 * whether the flow makes sense, `exploreSaga` whether each run of it ends.
 */
export function defineSaga<
  C extends Contract,
  const Starts extends EventType<C> | AnyOf<EventType<C>>,
  const Steps extends StepsDeclaration<EventType<C>>,
  const Ends extends EndsDeclaration<EventType<C>>,
>(contract: C, declaration: SagaDeclaration<C, Starts, Steps, Ends>): Saga<C, Steps, Ends> {
  const { name, starts, correlate, steps, ends } = declaration
  return Object.freeze({ contract, name, starts, correlate, steps, ends })
}
