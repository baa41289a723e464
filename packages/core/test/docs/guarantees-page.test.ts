import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = new URL('../../../../', import.meta.url)
const page = readFileSync(new URL('docs/guarantees.md', root), 'utf8')

/** A promise is a section of third level; a proof is a list item that begins with a file and goes on with a test's title. */
const promises = page
  .split(/^### /m)
  .slice(1)
  .map(section => {
    const text = section.split(/^## /m)[0]!
    const proofs = [...text.matchAll(/^- `(?<file>[^`]+)`: (?<title>.+(?:\n {2}.+)*)$/gm)]
    return {
      promise: text.slice(0, text.indexOf('\n')).trim(),
      text,
      proofs: proofs.map(({ groups }) => ({
        file: groups!['file']!,
        title: groups!['title']!.replace(/\n {2}/g, ' '),
      })),
    }
  })

describe('docs/guarantees.md', () => {
  it('makes promises', () => {
    expect(promises.length).toBeGreaterThan(10)
  })

  describe.each(promises)('promise: $promise', ({ text, proofs }) => {
    it('says what breaks it', () => {
      expect(text).toMatch(/^\*\*What breaks it\.\*\* \S/m)
    })

    it('names tests', () => {
      expect(proofs).not.toEqual([])
    })

    it.each(proofs)('is proved by $file: $title', ({ file, title }) => {
      const path = fileURLToPath(new URL(file, root))
      expect(existsSync(path), `${file} does not exist`).toBe(true)
      expect(titlesIn(readFileSync(path, 'utf8'))).toContain(title)
    })
  })
})

/** What `it(…)` and the cases of the kits are called. */
function titlesIn(source: string): readonly string[] {
  const titles = source.matchAll(
    /(?:\bname: |\bit\(|\)\()\s*(?<quote>['"`])(?<title>(?:\\.|(?!\k<quote>).)+)\k<quote>/g,
  )
  return Array.from(titles, ({ groups }) => groups!['title']!.replace(/\\(.)/g, '$1'))
}
