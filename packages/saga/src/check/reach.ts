import { everyOutcome, heardBy, type Flow, type Step } from '../declare/flow.ts'

/** Event types that can happen at all, beginning with what starts the saga. */
export function possibleEvents(flow: Flow): ReadonlySet<string> {
  const possible = new Set(flow.starts)
  let before: number
  do {
    before = possible.size
    for (const step of flow.steps) {
      const outcomes = everyOutcome(step).filter(({ is }) =>
        is === 'timed-out' ? canTimeOut(step, possible) : canStart(step, possible),
      )
      for (const { emits } of outcomes) for (const type of emits) possible.add(type)
    }
  } while (possible.size > before)
  return possible
}

/** Whether the step can start, given what can happen. */
export function canStart(step: Step, possible: ReadonlySet<string>): boolean {
  const { is, types } = step.on
  return is === 'all' ? types.every(type => possible.has(type)) : types.some(type => possible.has(type))
}

/** Event types that may follow from these, these included. What else a join needs is taken to come. */
export function eventsAfter(flow: Flow, types: Iterable<string>): ReadonlySet<string> {
  const after = new Set(types)
  for (const type of after) {
    for (const step of flow.steps.filter(candidate => heardBy(candidate).includes(type))) {
      for (const { emits } of everyOutcome(step)) for (const next of emits) after.add(next)
    }
  }
  return after
}

/** Steps that can only run when an end is reached already: an e-mail, a parcel. They need not lead to one. */
export function stepsAfterEnds(flow: Flow): ReadonlySet<Step> {
  const ended = new Set(flow.ends.map(({ type }) => type))
  const after = new Set<Step>()
  let before: number
  do {
    before = after.size
    for (const step of flow.steps) {
      const { is, types } = step.on
      if (is === 'all' ? types.some(type => ended.has(type)) : types.every(type => ended.has(type))) after.add(step)
    }
    for (const type of typesOnlyFrom(flow, after)) ended.add(type)
  } while (after.size > before)
  return after
}

/** Loops of steps, each found once: the steps on it, in flow order. */
export function loops(flow: Flow, of: (step: Step) => boolean): readonly (readonly Step[])[] {
  const steps = flow.steps.filter(of)
  const reached = new Map(steps.map(step => [step, stepsAfter(steps, step)]))
  const found: (readonly Step[])[] = []
  for (const step of steps) {
    if (!reached.get(step)?.has(step) || found.some(loop => loop.includes(step))) continue
    found.push(steps.filter(other => reached.get(step)?.has(other) && reached.get(other)?.has(step)))
  }
  return found
}

function stepsAfter(steps: readonly Step[], first: Step): ReadonlySet<Step> {
  const after = new Set<Step>()
  const open = [first]
  for (const step of open) {
    const emitted = new Set(step.outcomes.flatMap(({ emits }) => emits))
    for (const next of steps) {
      if (after.has(next) || !next.on.types.some(type => emitted.has(type))) continue
      after.add(next)
      open.push(next)
    }
  }
  return after
}

function canTimeOut(step: Step, possible: ReadonlySet<string>): boolean {
  const since = step.timeout?.since
  return since === undefined ? step.on.types.some(type => possible.has(type)) : possible.has(since)
}

function typesOnlyFrom(flow: Flow, steps: ReadonlySet<Step>): readonly string[] {
  const emittedBy = (of: readonly Step[]): readonly string[] =>
    of.flatMap(step => everyOutcome(step).flatMap(({ emits }) => emits))
  const others = new Set([...flow.starts, ...emittedBy(flow.steps.filter(step => !steps.has(step)))])
  return emittedBy([...steps]).filter(type => !others.has(type))
}
