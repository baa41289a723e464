/** A number for people: `22,523`. */
export function figure(value: number): string {
  return value.toLocaleString('en-GB')
}

/** `1 order`, `2 orders`, `970 orders`. */
export function counted(value: number, one: string, several: string = `${one}s`): string {
  return `${figure(value)} ${value === 1 ? one : several}`
}

/** A duration for people: `350 ms`, `1.4 s`. */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
