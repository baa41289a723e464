// Every `npm start`, `npm test` and `npm run …` of this repository: sets up what is missing, then runs the task.
// Needs Node 20 and npm, nothing else; see ../../CONTRIBUTING.md.
import { endWithParent } from './end-with-parent.mjs'
import { SetupFailure } from './setup-failure.mjs'
import { ensureNode } from './node-runtime.mjs'
import { ensurePnpm } from './pnpm.mjs'
import { runTask } from './run-task.mjs'
import { taskNamed, taskNames } from './tasks.mjs'
import { ensureWorkspace } from './workspace.mjs'

const [name = '', ...userArguments] = process.argv.slice(2)

try {
  const task = taskNamed(name)
  if (task === undefined)
    throw new SetupFailure(`There is no task "${name}".`, `Use one of: ${taskNames().join(', ')}.`)
  if (process.env.npm_lifecycle_event !== undefined) endWithParent()
  const node = await ensureNode()
  const pnpm = await ensurePnpm(node)
  if (task.needs === 'workspace') await ensureWorkspace(node, pnpm)
  await runTask(task, { node, pnpm, userArguments })
} catch (error) {
  if (!(error instanceof SetupFailure)) throw error
  process.stderr.write(`\n${error.message}\n${error.remedy}\n`)
  process.exitCode = 1
}
