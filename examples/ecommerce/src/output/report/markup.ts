export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** Rows of text, the first of a row naming it; with a head when there is one. */
export function table(rows: readonly (readonly string[])[], head: readonly string[] = []): string {
  const headRow = head.map(name => `<th scope="col">${escaped(name)}</th>`).join('')
  const body = rows.map(([name = '', ...cells]) => {
    const data = cells.map(cell => `<td>${escaped(cell)}</td>`).join('')
    return `<tr><th scope="row">${escaped(name)}</th>${data}</tr>`
  })
  return `<table>${headRow && `<thead><tr>${headRow}</tr></thead>`}<tbody>${body.join('')}</tbody></table>`
}
