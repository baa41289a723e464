/**
 * The page with this section in the place of the one of that name, between its comments `<!-- name -->` and
 * `<!-- /name -->`.
 * @throws Error when the page has no such place
 */
export function withSection(page: string, name: string, section: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const from = page.indexOf(begin)
  const to = page.indexOf(end, from)
  if (from < 0 || to < 0) throw new Error(`the page has no place for ${name}: it needs ${begin} and ${end}`)
  return `${page.slice(0, from + begin.length)}\n\n${section.trim()}\n\n${page.slice(to)}`
}
