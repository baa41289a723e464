import type { Progress } from '../run/progress.ts'

/** A bar on a terminal, a plain line now and then elsewhere. */
export interface ProgressDisplay extends Progress {
  /** Leaves nothing of the bar behind. May be called again. */
  close(): void
}

/** Where progress is shown. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** @param now in milliseconds */
export function createProgress(output: ProgressOutput, now: () => number): ProgressDisplay {
  return output.isTTY === true ? barProgress(output) : plainProgress(output, now)
}

const barCells = 30
const clearLine = '\r\x1b[2K'

function barProgress(output: ProgressOutput): ProgressDisplay {
  let total = 0
  let isClosed = false
  let line = ''
  const draw = (): void => void output.write(`${clearLine}${line.slice(0, (output.columns ?? 80) - 1)}`)
  const display: ProgressDisplay = {
    surveyed({ orders }) {
      total = orders
      display.moved(0, 0)
    },
    moved(placed, ended) {
      if (isClosed) return
      const share = total === 0 ? 1 : Math.min(Math.max(ended / total, 0), 1)
      const cells = Math.floor(barCells * share)
      line = `${'█'.repeat(cells)}${'░'.repeat(barCells - cells)} ${inWords(ended, total, placed)}`
      draw()
    },
    tell(told) {
      output.write(`${clearLine}${told}\n`)
      draw()
    },
    close() {
      if (!isClosed) output.write(clearLine)
      isClosed = true
    },
  }
  return display
}

const plainEveryMs = 2000

function plainProgress(output: ProgressOutput, now: () => number): ProgressDisplay {
  let total = 0
  let printed = ''
  let printedAt = now()
  return {
    surveyed: ({ orders }) => {
      total = orders
    },
    moved(placed, ended) {
      const line = inWords(ended, total, placed)
      if (line === printed || now() - printedAt < plainEveryMs) return
      printed = line
      printedAt = now()
      output.write(`${line}\n`)
    },
    tell: line => void output.write(`${line}\n`),
    close: () => undefined,
  }
}

function inWords(ended: number, total: number, placed: number): string {
  const figure = (value: number): string => value.toLocaleString('en-GB')
  return `${figure(ended)} of ${figure(total)} orders ended, ${figure(placed)} placed`
}
