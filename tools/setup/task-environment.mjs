import { delimiter, dirname, join } from 'node:path'

/**
 * The environment of a task: our Node and pnpm come first on PATH.
 *
 * @param {NodeJS.ProcessEnv} environment
 * @param {{ node: string, pnpm: string }} tools
 * @returns {NodeJS.ProcessEnv}
 */
export function environmentWith(environment, { node, pnpm }) {
  const name = Object.keys(environment).find(key => key.toUpperCase() === 'PATH') ?? 'PATH'
  const pnpmPrograms = join(dirname(pnpm), '..', '..', '.bin')
  return { ...environment, [name]: [dirname(node), pnpmPrograms, environment[name] ?? ''].join(delimiter) }
}
