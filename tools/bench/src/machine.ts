import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'

/** What figures are worth nothing without. */
export function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30)
  const model = cpus()[0]?.model.trim() ?? 'processor of unknown make'
  return `${availableParallelism()} × ${model}, ${memory} GB, ${type()} ${release()}, Node ${process.versions.node}`
}

/** How much else the machine had to do: processes that ran or wanted to, the last minute's average. */
export function load(): number {
  return loadavg()[0] ?? 0
}
