// What `npm run bench -- kafka`, `rabbitmq` or `redis` runs.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { load, machine } from './machine.ts'
import { markdown } from './markdown.ts'
import { withSection } from './page.ts'
import { runSuite } from './run-suite.ts'
import { only, type Suite } from './suite.ts'

const usage = `Usage: npm run bench -- <kafka|rabbitmq|redis> [--rounds 5] [--scale 1] [--only <contender>]
                    [--measure publish|publish-singles|consume] [--out <page with a section for it>]`

const suites: Readonly<Record<string, () => Promise<{ readonly suite: Suite }>>> = {
  kafka: () => import('./kafka/suite.ts'),
  rabbitmq: () => import('./rabbitmq/suite.ts'),
}
/** Benchmarks of one package, which print their own tables. */
const programs: Readonly<Record<string, URL>> = {
  redis: new URL('../../../packages/redis/bench/claims.ts', import.meta.url),
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
    measure: { type: 'string' },
    out: { type: 'string' },
  },
})
const [name = ''] = positionals
const [rounds, scale] = [Number(values.rounds), Number(values.scale)]
const isKnown = Object.hasOwn(suites, name) || Object.hasOwn(programs, name)
if (!isKnown || !Number.isInteger(rounds) || rounds < 1 || !(scale > 0)) {
  console.error(usage)
  process.exit(2)
}

const program = programs[name]
const section = program === undefined ? await runOfSuite() : await runOfProgram(program)
console.log(section)
if (values.out !== undefined) {
  await writeFile(values.out, withSection(await readFile(values.out, 'utf8'), name, section))
}

async function runOfSuite(): Promise<string> {
  const { suite } = (await suites[name]?.()) ?? {}
  if (suite === undefined) throw new Error(usage)
  const before = load()
  await using broker = await suite.start()
  const asked = only(suite, values)
  const runs = await runSuite(asked, broker, { rounds, scale, tell: line => console.error(line) })
  const loads = { before, after: load() }
  return markdown({ broker: broker.name, runs, rounds, machine: machine(), date: new Date(), loads })
}

async function runOfProgram(file: URL): Promise<string> {
  const command = ['--conditions=mekong-source', fileURLToPath(file), String(rounds)]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  return stdout
}
