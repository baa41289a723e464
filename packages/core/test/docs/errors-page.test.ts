import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../src/error.ts'

const page = readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8')
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map(section => [section.slice(0, section.indexOf('\n')).trim(), section] as const),
)

describe('docs/errors.md', () => {
  it('has a section for each error code, and for nothing else', () => {
    expect([...sections.keys()].toSorted()).toEqual([...errorCodes].toSorted())
  })

  it.each(errorCodes)('says of %s what causes it, what remedies it and where it appears', code => {
    const section = sections.get(code)
    for (const part of ['Cause', 'Remedy', 'Where']) {
      expect(section).toMatch(new RegExp(String.raw`^\*\*${part}\.\*\* \S`, 'm'))
    }
  })
})
