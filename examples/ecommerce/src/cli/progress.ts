import cliProgress from 'cli-progress'
import type { Progress } from '../run/run-shop.ts'

/** A bar on a terminal, a plain line now and then elsewhere. */
export interface ProgressDisplay extends Progress {
  close(): void
}

const plainEveryMs = 2000

export function createProgress(output: NodeJS.WriteStream): ProgressDisplay {
  return output.isTTY ? barProgress(output) : plainProgress(output)
}

function barProgress(output: NodeJS.WriteStream): ProgressDisplay {
  const bar = new cliProgress.SingleBar({
    stream: output,
    format: '{bar} {value} of {total} orders ended, {placed} placed',
    hideCursor: true,
    clearOnComplete: true,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
  })
  return {
    surveyed: ({ orders }) => bar.start(orders, 0, { placed: 0 }),
    moved: (placed, ended) => bar.update(ended, { placed }),
    // The bar redraws below the line.
    tell: line => void output.write(`\r\x1b[K${line}\n`),
    close: () => bar.stop(),
  }
}

function plainProgress(output: NodeJS.WriteStream): ProgressDisplay {
  let total = 0
  let printedAt = performance.now()
  return {
    surveyed: ({ orders }) => {
      total = orders
    },
    moved(placed, ended) {
      if (performance.now() - printedAt < plainEveryMs) return
      printedAt = performance.now()
      output.write(`${ended} of ${total} orders ended, ${placed} placed\n`)
    },
    tell: line => void output.write(`${line}\n`),
    close: () => undefined,
  }
}
