import { MekongError } from '@mekong/core'
import type { Saga } from '../declare/declaration.ts'
import { everyOutcome, flowOf, heardBy, type Flow, type Outcome, type Step } from '../declare/flow.ts'
import { findingKinds, type Finding, type FindingKind } from './finding.ts'
import { canStart, eventsAfter, loops, possibleEvents, stepsAfterEnds } from './reach.ts'

/** Everything that is wrong with a saga as far as its shape tells. Empty: nothing is. Pure, and fast enough for every start. */
export function checkSaga(saga: Saga): readonly Finding[] {
  const flow = flowOf(saga)
  const findings = [
    ...unknownEvents(flow, saga),
    ...unknownSteps(flow),
    ...badNames(flow),
    ...badNumbers(flow),
    ...neverHandled(flow),
    ...neverEmitted(flow),
    ...twoServices(flow),
    ...unreachable(flow),
    ...noWayOut(flow),
    ...notCompensated(flow),
    ...pivotCanFail(flow),
    ...compensationCanFail(flow),
    ...unboundedLoops(flow),
    ...timeoutNeverStarts(flow),
  ]
  return findings.toSorted((a, b) => findingKinds.indexOf(a.kind) - findingKinds.indexOf(b.kind))
}

/**
 * Refuses a saga in which something is wrong. Each participant calls it when it is created.
 * @throws MekongError SAGA_INVALID, with a line for each finding
 */
export function assertSaga(saga: Saga): void {
  const findings = checkSaga(saga)
  if (findings.length === 0) return
  const lines = findings.map(({ kind, sentence }) => `- ${sentence} (${kind})`)
  throw new MekongError('SAGA_INVALID', [`the saga "${saga.name}" cannot work:`, ...lines].join('\n'))
}

function unknownEvents(flow: Flow, { contract }: Saga): readonly Finding[] {
  const named = [...flow.starts, ...flow.steps.flatMap(typesOf), ...flow.ends.map(({ type }) => type)]
  return [...new Set(named)]
    .filter(type => !Object.hasOwn(contract, type))
    .map(type => finding('unknown-event', type, `"${type}" is not in the contract`))
}

function unknownSteps(flow: Flow): readonly Finding[] {
  return flow.steps
    .filter(({ compensates }) => compensates !== undefined && !flow.steps.some(({ name }) => name === compensates))
    .map(({ name, compensates }) =>
      finding('unknown-step', name, `"${name}" compensates "${compensates}", and there is no such step`),
    )
}

function badNames(flow: Flow): readonly Finding[] {
  return [flow.name, ...flow.steps.map(({ name }) => name)]
    .filter(name => !/^[A-Za-z0-9][\w.-]{0,63}$/.test(name))
    .map(name =>
      finding('bad-name', name, `"${name}" is not a name: up to 64 letters, digits, and . _ - after the first`),
    )
}

function badNumbers(flow: Flow): readonly Finding[] {
  return flow.steps.flatMap(({ name, timeout, limit }) => [
    ...(timeout === undefined || (Number.isFinite(timeout.afterMs) && timeout.afterMs >= 0)
      ? []
      : [
          finding('bad-number', name, `the timeout of "${name}" must be a finite number of milliseconds, zero or more`),
        ]),
    ...(limit === undefined || (Number.isSafeInteger(limit.runs) && limit.runs >= 1)
      ? []
      : [finding('bad-number', name, `the limit of "${name}" must be a whole number of runs, one or more`)]),
  ])
}

function neverHandled(flow: Flow): readonly Finding[] {
  return [...new Set([...flow.starts, ...flow.steps.flatMap(emittedBy)])]
    .filter(type => !isHandled(flow, type))
    .map(type => {
      const from = flow.steps.filter(step => emittedBy(step).includes(type)).map(({ name }) => `"${name}"`)
      const origin = from.length === 0 ? 'begins the saga' : `is emitted by ${from.join(' and ')}`
      return finding('never-handled', type, `"${type}" ${origin}, but no step handles it and no end names it`)
    })
}

function neverEmitted(flow: Flow): readonly Finding[] {
  const emitted = new Set([...flow.starts, ...flow.steps.flatMap(emittedBy)])
  const awaited = flow.steps.flatMap(step => heardBy(step).map(type => ({ type, by: `"${step.name}" waits for` })))
  const ends = flow.ends.map(({ name, type }) => ({ type, by: `the end "${name}" is` }))
  return [...awaited, ...ends]
    .filter(({ type }) => !emitted.has(type))
    .map(({ type, by }) =>
      finding('never-emitted', type, `${by} "${type}", which no step emits and which does not start the saga`),
    )
}

function twoServices(flow: Flow): readonly Finding[] {
  return [...new Set(flow.steps.flatMap(emittedBy))].flatMap(type => {
    const emitters = flow.steps.filter(step => emittedBy(step).includes(type))
    const services = [...new Set(emitters.map(({ service }) => service))]
    if (services.length < 2) return []
    const claims = emitters.map(({ name, service }) => `"${name}" of ${service}`).join(' and ')
    return [finding('two-services', type, `"${type}" is emitted by ${claims}: an event belongs to one service`)]
  })
}

function unreachable(flow: Flow): readonly Finding[] {
  const possible = possibleEvents(flow)
  const ends = flow.ends
    .filter(({ type }) => !possible.has(type))
    .map(({ name, type }) =>
      finding('end-unreachable', name, `the end "${name}" cannot be reached: nothing leads to "${type}"`),
    )
  const steps = flow.steps
    .filter(step => !canStart(step, possible))
    .map(({ name, on }) =>
      finding('step-unreachable', name, `"${name}" can never start: ${on.is} of ${quoted(on.types)} cannot come about`),
    )
  return [...ends, ...steps]
}

function noWayOut(flow: Flow): readonly Finding[] {
  const afterEnds = stepsAfterEnds(flow)
  return flow.steps
    .filter(step => !afterEnds.has(step))
    .flatMap(step =>
      everyOutcome(step)
        .filter(({ emits }) => emits.every(type => isHandled(flow, type)))
        .filter(({ emits }) => !reachesEnd(flow, emits))
        .map(outcome => finding('no-way-out', step.name, `${described(step, outcome)}, no end can be reached`)),
    )
}

function notCompensated(flow: Flow): readonly Finding[] {
  const compensated = new Set(flow.steps.map(({ compensates }) => compensates))
  return flow.steps
    .filter(step => !step.staysDone && !step.pivot && step.compensates === undefined && !compensated.has(step.name))
    .flatMap(step => {
      const failure = failureAfter(flow, step)
      if (failure === undefined) return []
      const sentence = `"${step.name}" has no compensation, although ${failure} after it: name the step that compensates it, or say compensation: 'none'`
      return [finding('not-compensated', step.name, sentence)]
    })
}

function pivotCanFail(flow: Flow): readonly Finding[] {
  return flow.steps
    .filter(({ pivot }) => pivot)
    .flatMap(step => {
      const failure = failureAfter(flow, step)
      return failure === undefined
        ? []
        : [finding('pivot-can-fail', step.name, `"${step.name}" is a pivot, yet ${failure} after it`)]
    })
}

function compensationCanFail(flow: Flow): readonly Finding[] {
  return flow.steps
    .filter(({ compensates, outcomes }) => compensates !== undefined && outcomes.some(({ is }) => is === 'failure'))
    .map(({ name, compensates }) =>
      finding(
        'compensation-can-fail',
        name,
        `"${name}" compensates "${compensates}" and may fail: a compensation is tried until it succeeds`,
      ),
    )
}

function unboundedLoops(flow: Flow): readonly Finding[] {
  return loops(flow, ({ limit }) => limit === undefined).map(loop => {
    const names = loop.map(({ name }) => name)
    const path = [...names, names[0]].join(' → ')
    return finding('unbounded-loop', names.join(', '), `${path} is a loop, and none of its steps has a limit`)
  })
}

function timeoutNeverStarts(flow: Flow): readonly Finding[] {
  return flow.steps
    .filter(
      ({ timeout, on }) =>
        timeout !== undefined && on.is === 'any' && (timeout.since === undefined || on.types.includes(timeout.since)),
    )
    .map(({ name }) =>
      finding(
        'timeout-never-starts',
        name,
        `the timeout of "${name}" needs a \`since\`: an event, other than those that start the step, from which time runs`,
      ),
    )
}

/** A sentence about a step that can fail, once this one has succeeded, so that the saga ends compensated. */
function failureAfter(flow: Flow, step: Step): string | undefined {
  const compensatedEnds = flow.ends.filter(({ compensated }) => compensated).map(({ type }) => type)
  const successes = step.outcomes.filter(({ is }) => is === 'success').flatMap(({ emits }) => emits)
  const after = eventsAfter(flow, successes)
  for (const later of flow.steps.filter(
    candidate => candidate !== step && heardBy(candidate).some(type => after.has(type)),
  )) {
    for (const { is, emits } of everyOutcome(later)) {
      if (is === 'success') continue
      const follows = eventsAfter(flow, emits)
      if (compensatedEnds.some(type => follows.has(type))) return `"${later.name}" can end in ${quoted(emits)}`
    }
  }
  return undefined
}

function reachesEnd(flow: Flow, types: readonly string[]): boolean {
  const after = eventsAfter(flow, types)
  return flow.ends.some(({ type }) => after.has(type))
}

function isHandled(flow: Flow, type: string): boolean {
  return flow.steps.some(step => heardBy(step).includes(type)) || flow.ends.some(end => end.type === type)
}

function emittedBy(step: Step): readonly string[] {
  return everyOutcome(step).flatMap(({ emits }) => emits)
}

function typesOf(step: Step): readonly string[] {
  return [...heardBy(step), ...emittedBy(step)]
}

function described(step: Step, { is, emits }: Outcome): string {
  if (emits.length === 0) return `once "${step.name}" has run, which emits nothing`
  return `once "${step.name}" has ${is === 'failure' ? 'failed' : is === 'success' ? 'succeeded' : is} with ${quoted(emits)}`
}

function quoted(types: readonly string[]): string {
  return types.map(type => `"${type}"`).join(' and ')
}

function finding(kind: FindingKind, about: string, sentence: string): Finding {
  return { kind, about, sentence }
}
