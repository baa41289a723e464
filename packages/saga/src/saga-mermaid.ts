import type { Saga } from './declare/declaration.ts'
import { everyOutcome, flowOf, heardBy, type Flow, type Step } from './declare/flow.ts'

/**
 * The saga as a Mermaid flowchart: a box for each service with its steps, an arrow for each event. Dotted arrows are
 * failures and timeouts, dashed boxes compensate, the thick box is the pivot, a hexagon waits for all of its events, and
 * what has two rings is an end (dashed: compensated). The same saga always gives the same text.
 */
export function sagaMermaid(saga: Saga): string {
  const flow = flowOf(saga)
  const names = nameNodes(flow)
  const lines = [
    ...starts(flow, names),
    ...lanes(flow, names),
    ...ends(flow, names),
    ...arrows(flow, names),
    ...styles(flow, names),
  ]
  return ['flowchart LR', ...lines.map(indent), ''].join('\n')
}

/** What each start event, step and end is called in the text. */
interface Names {
  readonly start: (type: string) => string
  readonly step: (name: string) => string
  readonly end: (name: string) => string
}

function starts(flow: Flow, names: Names): readonly string[] {
  return flow.starts.map(type => `${names.start(type)}([${quoted(type)}])`)
}

function lanes(flow: Flow, names: Names): readonly string[] {
  const services = [...new Set(flow.steps.map(({ service }) => service))]
  return services.flatMap((service, index) => [
    `subgraph service${index + 1}[${quoted(service)}]`,
    ...flow.steps
      .filter(step => step.service === service)
      .map(step => indent(`${names.step(step.name)}${shape(step)}`)),
    'end',
  ])
}

function ends(flow: Flow, names: Names): readonly string[] {
  return flow.ends.map(({ name }) => `${names.end(name)}(((${quoted(name)})))`)
}

function arrows(flow: Flow, names: Names): readonly string[] {
  const targets = (type: string): readonly string[] => [
    ...flow.ends.filter(end => end.type === type).map(({ name }) => names.end(name)),
    ...flow.steps.filter(step => heardBy(step).includes(type)).map(({ name }) => names.step(name)),
  ]
  const fromStarts = flow.starts.flatMap(type => targets(type).map(to => `${names.start(type)} --> ${to}`))
  const fromSteps = flow.steps.flatMap(step =>
    everyOutcome(step).flatMap(({ is, emits }) =>
      emits.flatMap(type => {
        const line = is === 'success' ? '-->' : '-.->'
        return targets(type).map(to => `${names.step(step.name)} ${line}|${quoted(type)}| ${to}`)
      }),
    ),
  )
  return [...fromStarts, ...fromSteps]
}

function styles(flow: Flow, names: Names): readonly string[] {
  const steps = (of: (step: Step) => boolean): readonly string[] =>
    flow.steps.filter(of).map(({ name }) => names.step(name))
  return [
    ...styled(
      'pivot',
      'stroke-width:3px',
      steps(({ pivot }) => pivot),
    ),
    ...styled(
      'compensation',
      'stroke-dasharray:4 3',
      steps(({ compensates }) => compensates !== undefined),
    ),
    ...styled(
      'compensated',
      'stroke-dasharray:4 3',
      flow.ends.filter(end => end.compensated).map(({ name }) => names.end(name)),
    ),
  ]
}

function styled(name: string, style: string, nodes: readonly string[]): readonly string[] {
  return nodes.length === 0 ? [] : [`classDef ${name} ${style}`, `class ${nodes.join(',')} ${name}`]
}

function shape(step: Step): string {
  const lines = [escaped(step.name)]
  if (step.compensates !== undefined) lines.push(`compensates ${escaped(step.compensates)}`)
  if (step.timeout !== undefined) lines.push(`within ${duration(step.timeout.afterMs)}`)
  if (step.limit !== undefined) lines.push(`at most ${step.limit.runs} times`)
  const inside = `"${lines.join('<br/>')}"`
  return step.on.is === 'all' ? `{{${inside}}}` : `[${inside}]`
}

function nameNodes(flow: Flow): Names {
  const taken = new Set<string>()
  // A prefix keeps names off Mermaid's own words, such as `end`; a number keeps apart what is the same without its signs.
  const naming = (prefix: string, words: readonly string[]): ((word: string) => string) => {
    const named = new Map<string, string>()
    for (const word of words) {
      const plain = `${prefix}_${word.replace(/[^A-Za-z0-9]+/g, '_')}`
      let name = plain
      for (let number = 2; taken.has(name); number++) name = `${plain}_${number}`
      taken.add(name)
      named.set(word, name)
    }
    return word => named.get(word) ?? prefix
  }
  return {
    start: naming('start', flow.starts),
    step: naming(
      'step',
      flow.steps.map(({ name }) => name),
    ),
    end: naming(
      'end',
      flow.ends.map(({ name }) => name),
    ),
  }
}

function quoted(words: string): string {
  return `"${escaped(words)}"`
}

// Mermaid's entity codes; what is left as it is cannot end a label or begin markup.
function escaped(words: string): string {
  return words.replace(/[^\p{L}\p{N} ._/-]/gu, character => `#${character.codePointAt(0)};`)
}

const units = [
  { ms: 86_400_000, name: 'd' },
  { ms: 3_600_000, name: 'h' },
  { ms: 60_000, name: 'min' },
  { ms: 1_000, name: 's' },
]

function duration(ms: number): string {
  const unit = units.find(candidate => ms >= candidate.ms && ms % candidate.ms === 0)
  return unit === undefined ? `${ms} ms` : `${ms / unit.ms} ${unit.name}`
}

function indent(line: string): string {
  return `  ${line}`
}
