import { MekongError } from '@mekong/core'

/** Where the tables of Mekong are if nobody says otherwise. */
export const defaultSchema = 'mekong'

/** Makes the qualified and quoted name of a table (or index, sequence, function) of one schema. */
export type TableName = (table: string) => string

/**
 * Quotes a name as an SQL identifier.
 * @throws MekongError INVALID_CONFIGURATION for a name that Postgres would cut or refuse.
 */
export function quoteName(name: string): string {
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > 63) {
    throw new MekongError(
      'INVALID_CONFIGURATION',
      `A name in Postgres has 1 to 63 bytes and no NUL; got ${JSON.stringify(name)}`,
    )
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** The tables of one schema. Throws as `quoteName` does, at once. */
export function tablesOf(schema: string = defaultSchema): TableName {
  const quoted = quoteName(schema)
  return table => `${quoted}.${quoteName(table)}`
}
