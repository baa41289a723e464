import { PartitionLog, type Retention } from './partition-log.ts'

/** A topic of the memory broker: a fixed number of logs. */
export class MemoryTopic {
  readonly name: string
  readonly logs: readonly PartitionLog[]
  #turn = 0

  constructor(name: string, partitions: number, retention: Retention) {
    this.name = name
    this.logs = Array.from({ length: partitions }, (_, index) => new PartitionLog(name, String(index), retention))
  }

  get retentionMs(): number {
    return this.logs[0]!.retention.retentionMs
  }

  set retentionMs(retentionMs: number) {
    for (const log of this.logs) log.retention = { ...log.retention, retentionMs }
  }

  /** The same for the same key; in turn without one. */
  logOf(key: string | undefined): PartitionLog {
    const index = key === undefined ? this.#turn++ % this.logs.length : partitionOfKey(key, this.logs.length)
    return this.logs[index]!
  }
}

/** FNV-1a over UTF-16 code units, modulo the number of partitions. */
export function partitionOfKey(key: string, partitions: number): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  }
  // The low bits of FNV follow the last characters closely; fold the high ones in.
  return ((hash ^ (hash >>> 15)) >>> 0) % partitions
}
