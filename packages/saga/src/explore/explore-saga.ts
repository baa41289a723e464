import { stepsAfterEnds } from '../check/reach.ts'
import type { Saga } from '../declare/declaration.ts'
import { flowOf, type Flow } from '../declare/flow.ts'
import { fingerprint, isAtRest, nextWorlds, worldAtStart, type Move, type World } from './world.ts'

export interface ExploreBounds {
  /** How many different moments to look at, all start events together. @default 100,000 */
  readonly maxStates?: number | undefined
  /** Whether each event may come once more, at any later time. @default true */
  readonly duplicates?: boolean | undefined
}

export type Exploration =
  /** Each possible run, from each start event, comes to exactly one end, and what had to be compensated is. */
  | { readonly is: 'proved'; readonly states: number; readonly ends: readonly string[] }
  /** The shortest run that does not, as moves and as lines to read. */
  | {
      readonly is: 'refuted'
      readonly states: number
      readonly why: string
      readonly path: readonly Move[]
      readonly lines: readonly string[]
    }
  /** Nothing wrong within the bounds, but there is more than they allow to look at. */
  | { readonly is: 'bounded'; readonly states: number }

/**
 * Looks at every run that the declaration allows: each order in which events can arrive, each way each step can go, each
 * timeout at each moment it could fire. It judges the declared value, by the rule that services follow at run time; what
 * handlers do inside a step is not part of it. A crash needs no case of its own: a step is one transaction.
 */
export function exploreSaga(saga: Saga, bounds: ExploreBounds = {}): Exploration {
  const flow = flowOf(saga)
  const { maxStates = 100_000, duplicates = true } = bounds
  const afterEnds = new Set([...stepsAfterEnds(flow)].map(({ name }) => name))
  const found = new Map<string, Found>()
  const ends = new Set<string>()
  for (const start of flow.starts) {
    const queue: Found[] = []
    const reach = (world: World, move?: Move, before?: Found): void => {
      const key = `${start} ${fingerprint(world)}`
      if (found.has(key)) return
      const moment = { start, world, move, before }
      found.set(key, moment)
      queue.push(moment)
    }
    reach(worldAtStart(flow, start))
    for (const moment of queue) {
      if (found.size > maxStates) return { is: 'bounded', states: maxStates }
      const why = isAtRest(moment.world) ? whatIsWrong(flow, moment.world, afterEnds) : undefined
      if (why !== undefined) return refuted(moment, why, found.size)
      for (const end of moment.world.ends) ends.add(end)
      for (const { move, world } of nextWorlds(flow, moment.world, duplicates)) reach(world, move, moment)
    }
  }
  return { is: 'proved', states: found.size, ends: flow.ends.map(({ name }) => name).filter(name => ends.has(name)) }
}

interface Found {
  readonly start: string
  readonly world: World
  readonly move: Move | undefined
  readonly before: Found | undefined
}

function whatIsWrong(flow: Flow, world: World, afterEnds: ReadonlySet<string>): string | undefined {
  const [end, another] = flow.ends.filter(({ name }) => world.ends.has(name))
  if (end === undefined) return 'nothing is on its way any more, and no end is reached'
  if (another !== undefined) return `two ends are reached: "${end.name}" and "${another.name}"`
  if (!end.compensated) return undefined
  const left = [...world.done].filter(name => !afterEnds.has(name))
  return left.length === 0 ? undefined : `the end "${end.name}" is reached, but "${left.join('" and "')}" stays done`
}

function refuted(last: Found, why: string, states: number): Exploration {
  const path: Move[] = []
  for (let moment: Found | undefined = last; moment !== undefined; moment = moment.before) {
    if (moment.move !== undefined) path.unshift(moment.move)
  }
  return { is: 'refuted', states, why, path, lines: [`${last.start} begins`, ...path.map(lineOf), why] }
}

function lineOf({ step, by, action, outcome }: Move): string {
  const arrival = by.is === 'timeout' ? 'time is up' : by.is === 'duplicate' ? `${by.type} once more` : by.type
  if (outcome === undefined) return `${arrival} → ${step}: ${action === 'wait' ? 'waits' : 'ignored'}`
  return `${arrival} → ${step}: ${outcome.is}${outcome.emits.length === 0 ? '' : `, ${outcome.emits.join(', ')}`}`
}
