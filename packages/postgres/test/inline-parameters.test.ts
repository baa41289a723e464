import { describe, expect, it } from 'vitest'
import { inlineParameters } from '../src/inline-parameters.ts'

describe('inlineParameters', () => {
  it('writes each kind of parameter as a literal that nothing can break out of', () => {
    const text = 'select $1, $2, $3, $4, $5, $6, $7'
    const parameters = ["it's \\'", -1, 2n, true, null, new Uint8Array([0, 255]), ['a"\\', null, 1]]
    expect(inlineParameters({ text, parameters })).toBe(
      String.raw`select  E'it''s \\''' ,  '-1' ,  '2' ,  'true' ,  NULL ,  E'\\x00ff' ,  E'{"a\\"\\\\",NULL,"1"}' `,
    )
  })

  it('leaves names and strings alone, and tells $1 from $10', () => {
    const parameters = Array.from({ length: 10 }, (_, index) => `p${index + 1}`)
    expect(inlineParameters({ text: `select "$1 "" $2", 'it''s $1', $10, $1`, parameters })).toBe(
      `select "$1 "" $2", 'it''s $1',  'p10' ,  'p1' `,
    )
  })

  it.each([
    'select 1 -- $1',
    'select /* $1 */ 1',
    'select $$ $1 $$',
    String.raw`select E'\' $1`,
    "select 'open $1",
    `"open`,
  ])('refuses what it does not read: %s', text => {
    expect(() => inlineParameters({ text, parameters: ['a'] })).toThrow(TypeError)
  })

  it('refuses a parameter that is missing, and text that Postgres would cut', () => {
    expect(() => inlineParameters({ text: 'select $2', parameters: ['a'] })).toThrow(/\$2/)
    expect(() => inlineParameters({ text: 'select $1', parameters: ['a\0; drop table b'] })).toThrow(/NUL/)
  })
})
