import { describe, expect, it } from 'vitest'
import { createProgress, type ProgressDisplay } from '../../src/cli/progress.ts'

interface Screen {
  readonly progress: ProgressDisplay
  readonly written: string[]
  clock: number
}

function screen(terminal: { readonly isTTY: boolean; readonly columns?: number }): Screen {
  const written: string[] = []
  const made = { written, clock: 0 }
  const progress = createProgress({ ...terminal, write: text => written.push(text) }, () => made.clock)
  progress.surveyed({ orders: 2000, lines: 0, invoices: 0, invoicesWithoutOrder: 0, lastLineOf: new Map() })
  return Object.assign(made, { progress })
}

describe('progress on a terminal', () => {
  it('redraws one line, and tells above it', () => {
    const { progress, written } = screen({ isTTY: true })
    progress.moved(1200, 1000)
    progress.tell('chaos: payment is cut off')
    progress.close()
    progress.close()
    const empty = `\r\x1b[2K${'░'.repeat(30)} 0 of 2,000 orders ended, 0 placed`
    const bar = `\r\x1b[2K${'█'.repeat(15)}${'░'.repeat(15)} 1,000 of 2,000 orders ended, 1,200 placed`
    expect(written).toEqual([empty, bar, '\r\x1b[2Kchaos: payment is cut off\n', bar, '\r\x1b[2K'])
  })

  it('never breaks its line, nor draws when it is closed', () => {
    const { progress, written } = screen({ isTTY: true, columns: 40 })
    progress.moved(2000, 2000)
    expect(written.at(-1)).toHaveLength('\r\x1b[2K'.length + 39)
    progress.close()
    const drawn = written.length
    progress.moved(2000, 2000)
    expect(written).toHaveLength(drawn)
  })
})

describe('progress elsewhere', () => {
  it('prints a plain line at most every two seconds, and none that says nothing new', () => {
    const shown = screen({ isTTY: false })
    const { progress, written } = shown
    progress.moved(10, 0)
    shown.clock = 2000
    progress.moved(1200, 1000)
    shown.clock = 3000
    progress.moved(1300, 1100)
    shown.clock = 9000
    progress.moved(1200, 1000)
    progress.moved(1400, 1200)
    progress.tell('chaos: payment is cut off')
    progress.close()
    expect(written).toEqual([
      '1,000 of 2,000 orders ended, 1,200 placed\n',
      '1,200 of 2,000 orders ended, 1,400 placed\n',
      'chaos: payment is cut off\n',
    ])
  })
})
