import { MekongError } from '@mekong/core'
import type { Flow, Step } from '../declare/flow.ts'
import type { UntypedHandler } from './step-handlers.ts'

/**
 * The handlers that a service gave, one for each of its steps.
 * @throws MekongError INVALID_CONFIGURATION naming what is missing or too many; types say it before
 */
export function handlersOf(flow: Flow, service: string, given: object): ReadonlyMap<string, UntypedHandler> {
  const steps = flow.steps.filter(step => step.service === service)
  const handlers = new Map(Object.entries(given))
  const stranger = [...handlers.keys()].find(name => !steps.some(step => step.name === name))
  if (stranger !== undefined)
    throw invalid(`saga "${flow.name}": "${stranger}" is not a step of the service "${service}"`)
  return new Map(steps.map(step => [step.name, handlerOf(flow, step, handlers.get(step.name))]))
}

function handlerOf(flow: Flow, step: Step, given: unknown): UntypedHandler {
  const handler = (typeof given === 'function' ? { run: given } : given) as Partial<UntypedHandler> | undefined
  const needed = [
    'run' as const,
    ...(step.timeout === undefined ? [] : ['timedOut' as const]),
    ...(step.limit === undefined ? [] : ['exhausted' as const]),
  ]
  for (const name of needed) {
    if (typeof handler?.[name] === 'function') continue
    throw invalid(`saga "${flow.name}": the step "${step.name}" needs a handler${name === 'run' ? '' : ` \`${name}\``}`)
  }
  return handler as UntypedHandler
}

function invalid(message: string): MekongError {
  return new MekongError('INVALID_CONFIGURATION', message)
}
