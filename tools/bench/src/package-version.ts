import { readFileSync } from 'node:fs'

/** `name` with the version that is installed here. */
export function withVersion(name: string, packageName: string = name): string {
  const file = new URL(`../node_modules/${packageName}/package.json`, import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }
  return `${name} ${version}`
}
