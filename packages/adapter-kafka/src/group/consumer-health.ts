import type { ConsumerStatus } from '@mekong/core/driver'

const ranks: readonly ConsumerStatus['is'][] = ['running', 'degraded', 'reconnecting', 'fatal']

/** One status out of what the parts of a consumer say: the worst of them, told when it changes. */
export class ConsumerHealth {
  readonly #tell: (status: ConsumerStatus) => void
  readonly #bySource = new Map<string, ConsumerStatus>()
  #told: ConsumerStatus | undefined

  constructor(tell: (status: ConsumerStatus) => void) {
    this.#tell = tell
  }

  report(source: string, status: ConsumerStatus): void {
    if (status.is === 'running') this.#bySource.delete(source)
    else this.#bySource.set(source, status)
    const worst = [...this.#bySource.values()].reduce(
      (one, other) => (ranks.indexOf(other.is) > ranks.indexOf(one.is) ? other : one),
      running,
    )
    if (this.#told?.is === worst.is && messageIn(this.#told) === messageIn(worst)) return
    this.#told = worst
    this.#tell(worst)
  }
}

const running: ConsumerStatus = { is: 'running' }

function messageIn(status: ConsumerStatus): string {
  if (status.is === 'running') return ''
  return status.error instanceof Error ? status.error.message : String(status.error)
}
