/**
 * @typedef {object} Task
 * @property {string} program what Node runs, from the root of the repository; `pnpm` is the pinned one
 * @property {'user' | 'root'} folder where it runs: where the user was, or the root of the repository
 * @property {'workspace' | 'tools'} needs what is set up before: all packages, or only Node and pnpm
 */

/** @type {Readonly<Record<string, Task>>} */
const tasks = {
  start: { program: 'examples/ecommerce/src/main.ts', folder: 'user', needs: 'workspace' },
  service: { program: 'examples/ecommerce/src/service.ts', folder: 'user', needs: 'workspace' },
  test: { program: 'tools/test/run-tests.ts', folder: 'root', needs: 'workspace' },
  'test:faults': { program: 'tools/test/run-fault-tests.ts', folder: 'root', needs: 'workspace' },
  bench: { program: 'tools/bench/src/run-bench.ts', folder: 'root', needs: 'workspace' },
  check: { program: 'tools/checks/run-checks.ts', folder: 'root', needs: 'workspace' },
  format: { program: 'node_modules/oxfmt/bin/oxfmt', folder: 'root', needs: 'workspace' },
  changeset: { program: 'node_modules/@changesets/cli/bin.js', folder: 'root', needs: 'workspace' },
  pnpm: { program: 'pnpm', folder: 'root', needs: 'tools' },
}

/**
 * @param {string} name
 * @returns {Task | undefined}
 */
export const taskNamed = name => (Object.hasOwn(tasks, name) ? tasks[name] : undefined)

/** @returns {readonly string[]} */
export const taskNames = () => Object.keys(tasks)
