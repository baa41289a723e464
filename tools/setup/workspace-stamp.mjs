import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './repository.mjs'

/**
 * What an installation depends on, as one hash, and the folders it must have left.
 *
 * @returns {{ stamp: string, folders: readonly string[] }}
 */
export function workspaceStamp(root = repositoryRoot) {
  const manifests = ['.', ...packageFolders(root)].map(folder => join(root, folder, 'package.json')).filter(existsSync)
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\0`)
  for (const file of [...manifests, join(root, 'pnpm-lock.yaml'), join(root, 'pnpm-workspace.yaml')]) {
    hash.update(`${file}\0`).update(readFileSync(file)).update('\0')
  }
  return {
    stamp: hash.digest('hex'),
    folders: manifests.filter(hasDependencies).map(file => join(file, '..', 'node_modules')),
  }
}

/** @param {string} root */
function packageFolders(root) {
  return ['packages', 'examples', 'tools'].flatMap(parent =>
    readdirSync(join(root, parent))
      .toSorted()
      .map(name => join(parent, name)),
  )
}

/** @param {string} manifest */
function hasDependencies(manifest) {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(manifest, 'utf8'))
  return Object.keys({ ...dependencies, ...devDependencies }).length > 0
}
