// What `npm run bench` runs: `npm run bench kafka`, `npm run bench rabbitmq`, `npm run bench redis`.
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { machine } from './machine.ts'
import { markdown } from './markdown.ts'
import { runSuite } from './run-suite.ts'
import type { Suite } from './suite.ts'

const suites: Readonly<Record<string, () => Promise<{ readonly suite: Suite }>>> = {
  kafka: () => import('./kafka/suite.ts'),
  rabbitmq: () => import('./rabbitmq/suite.ts'),
}
const alone: Readonly<Record<string, URL>> = {
  redis: new URL('../../../packages/redis/bench/claims.ts', import.meta.url),
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
    out: { type: 'string' },
  },
})
const [name = ''] = positionals
const program = alone[name]
if (program !== undefined) await import(program.href)
else await bench(name)

async function bench(name: string): Promise<void> {
  const load = suites[name]
  const [rounds, scale] = [Number(values.rounds), Number(values.scale)]
  if (load === undefined || !(rounds >= 1) || !(scale > 0)) {
    console.error(
      `Usage: npm run bench -- <${[...Object.keys(suites), ...Object.keys(alone)].join('|')}> [--rounds 5] [--scale 1] [--only <contender>] [--out <file>]`,
    )
    process.exit(2)
  }
  const { suite } = await load()
  const runs = await runSuite(only(suite, values.only), { rounds, scale, tell: line => console.error(line) })
  const text = markdown({ suite, runs, machine: machine() })
  console.log(text)
  if (values.out !== undefined) await writeFile(values.out, text)
}

/** The contenders whose module names contain the word, beside those that they are held against. */
function only(suite: Suite, word: string | undefined): Suite {
  if (word === undefined) return suite
  const measures = suite.measures.map(measure => {
    const asked = measure.contenders.filter(({ module }) => module.includes(word))
    const wanted = new Set(asked.flatMap(({ module, against }) => [module, against]))
    return { ...measure, contenders: measure.contenders.filter(({ module }) => wanted.has(module)) }
  })
  return { ...suite, measures: measures.filter(({ contenders }) => contenders.length > 0) }
}
