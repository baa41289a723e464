import type { Parameter, Scalar, Statement } from './sql.ts'

// Quoted names, plain strings and places; then what would make reading SQL harder than this, which is refused.
const tokens = /"(?:[^"]|"")*"|(?<![\w$&])'(?:[^']|'')*'|\$(\d+)|(--|\/\*|[$'"\\])/g

/**
 * The statement with its parameters written into it, for several statements in one message of the simple protocol: there
 * an error in one keeps the next from running, so that nothing can slip out of a transaction whose BEGIN failed.
 */
export function inlineParameters({ text, parameters = [] }: Statement): string {
  return text.replaceAll(tokens, (token, place: string | undefined, refused: string | undefined) => {
    if (refused !== undefined) throw new TypeError(`A begin statement cannot hold ${refused}`)
    if (place === undefined) return token
    const parameter = parameters[Number(place) - 1]
    if (parameter === undefined) throw new TypeError(`A begin statement has no parameter for ${token}`)
    return literal(parameter)
  })
}

// Numbers are quoted as well: `1-$1` must not turn a negative number into a comment.
function literal(parameter: Parameter): string {
  if (parameter === null) return ' NULL '
  const text = Array.isArray(parameter) ? arrayText(parameter) : plainText(parameter as NonNullable<Scalar>)
  if (text.includes('\0')) throw new TypeError('Text in Postgres cannot hold a NUL character')
  const quoted = text.replaceAll("'", "''")
  // The E form means the same whatever standard_conforming_strings says.
  return text.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}' ` : ` '${quoted}' `
}

function plainText(scalar: NonNullable<Scalar>): string {
  return scalar instanceof Uint8Array ? `\\x${Buffer.from(scalar).toString('hex')}` : String(scalar)
}

function arrayText(scalars: readonly Scalar[]): string {
  const element = (scalar: Scalar): string =>
    scalar === null ? 'NULL' : `"${plainText(scalar).replaceAll(/["\\]/g, String.raw`\$&`)}"`
  return `{${scalars.map(element).join(',')}}`
}
