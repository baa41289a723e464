/** Type parsers of our own, so that answers do not depend on those that the application has set. */
export const pgColumns: { getTypeParser(oid: number): (value: string) => unknown } = { getTypeParser }

type Parser = (value: string) => unknown

// By type OID, as in pg_type.dat. Whatever is not here stays text, as Postgres writes it: bigint, numeric, xid8, dates.
const parsers = new Map<number, Parser>([
  [16, value => value === 't'],
  [17, bytea],
  [21, Number],
  [23, Number],
  [26, Number],
  [700, Number],
  [701, Number],
  [114, value => JSON.parse(value)],
  [3802, value => JSON.parse(value)],
])

const text: Parser = value => value

function getTypeParser(oid: number): Parser {
  return parsers.get(oid) ?? text
}

function bytea(value: string): Uint8Array {
  if (!value.startsWith('\\x')) throw new TypeError('bytea_output must be hex, the default of Postgres')
  return Buffer.from(value.slice(2), 'hex')
}
