import type { PartitionMark, UnendedStart } from './hold-store.ts'

interface Marked {
  readonly mark: PartitionMark
  /** Undefined: its owner is not cautious. */
  starts: readonly UnendedStart[] | undefined
}

/** Which partitions somebody works on, and what was started there after an owner had ended without a word. */
export class MemoryPartitionMarks {
  readonly #marked = new Map<string, Marked>()

  open(mark: PartitionMark): readonly UnendedStart[] | undefined {
    const before = this.#marked.get(nameOf(mark))
    const isAnothers = before !== undefined && before.mark.owner !== mark.owner
    const starts = isAnothers ? (before.starts ?? []) : before?.starts
    this.#marked.set(nameOf(mark), { mark, starts })
    return starts
  }

  record(mark: PartitionMark, starts: readonly UnendedStart[] | undefined): boolean {
    const marked = this.#own(mark)
    if (marked === undefined) return false
    marked.starts = starts
    return true
  }

  close(mark: PartitionMark): void {
    if (this.#own(mark) !== undefined) this.#marked.delete(nameOf(mark))
  }

  #own(mark: PartitionMark): Marked | undefined {
    const marked = this.#marked.get(nameOf(mark))
    return marked?.mark.owner === mark.owner && marked.mark.token === mark.token ? marked : undefined
  }
}

function nameOf({ group, topic, partition }: PartitionMark): string {
  return JSON.stringify([group, topic, partition])
}
