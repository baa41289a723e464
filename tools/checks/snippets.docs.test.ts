import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { compileSnippets } from './compile-snippets.ts'
import { allSnippets, snippetsOf } from './snippets.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('the documentation', () => {
  const snippets = allSnippets(root)
  const errors = compileSnippets(root, snippets)

  it('leaves no snippet out', () => {
    expect(snippets.filter(({ name, remark }) => remark !== '' && name === undefined)).toEqual([])
  })

  for (const snippet of snippets) {
    it(`compiles at ${snippet.place}`, () => {
      expect(errors.get(snippet)).toEqual([])
    })
  }
})

describe('the snippet check', () => {
  it('reports a snippet that does not compile, by its line in the document', () => {
    expect(errorsIn('# Title', '', '```ts', 'const one: number = 1', "const two: number = 'two'", '```')).toEqual([
      "page.md:5 Type 'string' is not assignable to type 'number'.",
    ])
  })

  it('knows the packages of the workspace', () => {
    expect(errorsIn('```ts', "import { noSuchExport } from '@mekong/core'", '```')).toEqual([
      expect.stringContaining('noSuchExport'),
    ])
  })

  it('lets a snippet import an earlier one that has a name', () => {
    const named = ['```ts price.ts', 'export const price = 3', '```']
    expect(errorsIn(...named, '```ts', "import { price } from './price.ts'", 'price.toFixed()', '```')).toEqual([])
    expect(errorsIn(...named, '```ts', "import { price } from './price.ts'", 'price.trim()', '```')).toHaveLength(1)
  })

  it('finds a block in a list and leaves other languages alone', () => {
    const found = snippetsOf('page.md', '- a\n  ```ts\n  const x = 1\n  ```\n\n```sh\nls\n```\n\n```json\n{}\n```\n')
    expect(found.map(({ place }) => place)).toEqual(['page.md:2'])
  })
})

function errorsIn(...lines: string[]): readonly string[] {
  return [...compileSnippets(root, snippetsOf('page.md', lines.join('\n') + '\n')).values()].flat()
}
