import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Snippet {
  /** Where it stands, for the reader: `docs/outbox.md:12`. */
  readonly place: string
  readonly document: string
  /** The name that later snippets of the document import it by, when its fence gives one: "```ts order.ts". */
  readonly name: string | undefined
  /** As many empty lines as stand above it in the document, then its code, so that line numbers agree. */
  readonly code: string
  /** What the fence says after `ts`. */
  readonly remark: string
}

const documents = ['README.md', 'CONTRIBUTING.md', 'docs/**/*.md', '{packages,examples,tools}/*/README.md']
const fence =
  /^(?<indent>[^\S\n]*)(?<marks>```+)(?:ts|typescript|mts|cts)(?<remark>[^\S\n][^\n]*)?\n(?<code>[\s\S]*?)^\k<indent>\k<marks>[^\S\n]*$/gm

/** All TypeScript blocks of the documentation. */
export function allSnippets(root: string): readonly Snippet[] {
  return globSync(documents, { cwd: root, exclude: ['**/node_modules/**'] })
    .toSorted()
    .flatMap(document => snippetsOf(document, readFileSync(join(root, document), 'utf8')))
}

export function snippetsOf(document: string, text: string): readonly Snippet[] {
  return [...text.matchAll(fence)].map(match => {
    const { code = '', remark = '' } = match.groups ?? {}
    const linesAbove = text.slice(0, match.index).split('\n').length
    return {
      place: `${document}:${linesAbove}`,
      document,
      name: /^[\w-]+\.ts$/.test(remark.trim()) ? remark.trim() : undefined,
      code: '\n'.repeat(linesAbove) + code,
      remark: remark.trim(),
    }
  })
}
