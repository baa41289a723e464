import { expect, it } from 'vitest'
import { withSection } from '../src/page.ts'

const page = 'Before.\n\n<!-- kafka -->\n\nold\n\n<!-- /kafka -->\n\nAfter.\n'

it('puts a section in the place of the old one and leaves the rest', () => {
  const written = withSection(page, 'kafka', 'new\n')
  expect(written).toBe('Before.\n\n<!-- kafka -->\n\nnew\n\n<!-- /kafka -->\n\nAfter.\n')
  expect(withSection(written, 'kafka', 'new')).toBe(written)
})

it('refuses a page without a place for it', () => {
  expect(() => withSection(page, 'redis', 'new')).toThrow('<!-- redis -->')
})
