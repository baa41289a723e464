import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const pages = globSync(['*.md', 'docs/**/*.md', '{packages,examples,tools}/*/README.md'], { cwd: root })

describe('links of the documentation', () => {
  it.each(pages)('of %s lead to files and headings that are there', page => {
    const text = readFileSync(join(root, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '')
    const targets = Array.from(text.matchAll(/\]\((?<target>[^)\s]+)\)/g), ({ groups }) => groups!['target']!)
    expect(targets.filter(target => !/^https?:/.test(target) && !isThere(page, target))).toEqual([])
  })
})

function isThere(page: string, target: string): boolean {
  const [path = '', heading] = target.split('#')
  const file = path === '' ? join(root, page) : join(root, dirname(page), path)
  if (!existsSync(file)) return false
  return heading === undefined || headingsOf(readFileSync(file, 'utf8')).has(heading)
}

/** As GitHub names them. */
function headingsOf(text: string): ReadonlySet<string> {
  const titles = Array.from(text.matchAll(/^#+ (?<title>.+)$/gm), ({ groups }) => groups!['title']!)
  return new Set(
    titles.map(title =>
      title
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
}
