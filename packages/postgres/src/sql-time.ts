/** A time of Postgres as milliseconds since the epoch. */
export function milliseconds(time: string): string {
  return `(extract(epoch from ${time}) * 1000)::float8`
}

/** Milliseconds since the epoch as a time of Postgres. */
export function timestamp(ms: string): string {
  return `to_timestamp(${ms} / 1000)`
}
