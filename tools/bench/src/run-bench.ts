// What `npm run bench` runs: kafka, rabbitmq, redis, or all of them, and with --write into docs/benchmarks.md.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { load, machine } from './machine.ts'
import { markdown } from './markdown.ts'
import { withSection } from './page.ts'
import { runSuite } from './run-suite.ts'
import { only, type Suite } from './suite.ts'

const usage = `Usage: npm run bench -- [kafka] [rabbitmq] [redis] [--rounds 5] [--scale 1] [--only <contender>]
                    [--measure publish|publish-singles|consume] [--write]

All three when none is named. --write puts the tables into docs/benchmarks.md.`

const page = new URL('../../../docs/benchmarks.md', import.meta.url)
const suites: Readonly<Record<string, () => Promise<{ readonly suite: Suite }>>> = {
  kafka: () => import('./kafka/suite.ts'),
  rabbitmq: () => import('./rabbitmq/suite.ts'),
}
/** Benchmarks of one package, which print their own tables. */
const programs: Readonly<Record<string, URL>> = {
  redis: new URL('../../../packages/redis/bench/claims.ts', import.meta.url),
}
const known = [...Object.keys(suites), ...Object.keys(programs)]

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
    measure: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
const [rounds, scale] = [Number(values.rounds), Number(values.scale)]
if (!positionals.every(name => known.includes(name)) || !Number.isInteger(rounds) || rounds < 1 || !(scale > 0)) {
  console.error(usage)
  process.exit(2)
}

// Of others: later it is our own.
const loadBefore = load()
for (const name of positionals.length === 0 ? known : positionals) {
  const section = await sectionOf(name)
  console.log(section)
  if (values.write) await writeFile(page, withSection(await readFile(page, 'utf8'), name, section))
}

async function sectionOf(name: string): Promise<string> {
  const program = programs[name]
  if (program !== undefined) return runProgram(program)
  const { suite } = (await suites[name]?.()) ?? {}
  if (suite === undefined) throw new Error(usage)
  return runOne(only(suite, values))
}

async function runOne(suite: Suite): Promise<string> {
  await using broker = await suite.start()
  const runs = await runSuite(suite, broker, { rounds, scale, tell: line => console.error(line) })
  return markdown({ broker: broker.name, runs, rounds, machine: machine(), date: new Date(), load: loadBefore })
}

async function runProgram(file: URL): Promise<string> {
  const command = ['--conditions=mekong-source', fileURLToPath(file), String(rounds)]
  const { stdout } = await promisify(execFile)(process.execPath, command)
  return stdout
}
