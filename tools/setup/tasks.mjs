/**
 * @typedef {object} Task
 * @property {string} program what Node runs, from the root of the repository
 * @property {readonly string[]} arguments before those of the user
 * @property {'user' | 'root'} folder where it runs: where the user was, or the root of the repository
 */

/** @type {Readonly<Record<string, Task>>} */
const tasks = {
  start: { program: 'examples/ecommerce/src/main.ts', arguments: [], folder: 'user' },
  test: { program: 'tools/test/run-tests.ts', arguments: [], folder: 'root' },
  check: { program: 'tools/checks/run-checks.ts', arguments: [], folder: 'root' },
  format: { program: 'node_modules/oxfmt/bin/oxfmt', arguments: [], folder: 'root' },
  changeset: { program: 'node_modules/@changesets/cli/bin.js', arguments: [], folder: 'root' },
}

/**
 * @param {string} name
 * @returns {Task | undefined}
 */
export const taskNamed = name => (Object.hasOwn(tasks, name) ? tasks[name] : undefined)

/** @returns {readonly string[]} */
export const taskNames = () => Object.keys(tasks)
