import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chartData } from '../../src/output/report/chart-data.ts'
import { writeReport } from '../../src/output/report/report.ts'
import { summarise, type SummarisedOptions } from '../../src/output/summary.ts'
import type { RunResult } from '../../src/run/run-shop.ts'
import { type TestFolder, testFolder } from '../support/csv-files.ts'
import { runResult } from '../support/run-result.ts'

let folder: TestFolder
beforeEach(() => {
  folder = testFolder()
})
afterEach(() => folder[Symbol.dispose]())

const chaos: SummarisedOptions = { broker: 'memory', chaosSeed: 7, killSeed: undefined }
const killing: SummarisedOptions = { broker: 'kafka', chaosSeed: undefined, killSeed: 7 }

async function pageOf(result: RunResult, options = chaos): Promise<string> {
  const file = join(folder.path, 'report.html')
  await writeReport(file, summarise(options, result), result)
  return readFileSync(file, 'utf8')
}

/** What is seen, without the scripts. */
function contentOf(page: string): string {
  return page.slice(page.indexOf('<main>'), page.indexOf('</main>'))
}

describe('the report', () => {
  it('shows invariants, outcomes, latency, the saga and one order of each outcome', async () => {
    const content = contentOf(await pageOf(runResult()))
    for (const heading of ['Invariants', 'Outcomes', 'In figures', 'From order to email', 'The saga', 'What became']) {
      expect(content).toContain(`<h2>${heading}`)
    }
    expect(content).toContain('1 of 2 invariants fail')
    expect(content).toContain('<li class="good">✓ every order ended <small>4 of 4 orders</small></li>')
    expect(content).toContain('<pre class="mermaid">flowchart LR')
    const orders = [...content.matchAll(/<h3>(\w+) <span class="tag">(\w+)<\/span>/g)].map(
      ([, id, status]) => `${id} ${status}`,
    )
    expect(orders).toEqual(['1 completed', '2 rejected', '3 cancelled', 'C4 refunded'])
  })

  it('shows what was killed, on the axis of time', async () => {
    const kills = [{ what: 'kafka', atMs: 1000, downMs: 2000 }]
    const content = contentOf(await pageOf(runResult({ kills }), killing))
    expect(content).toContain('on the broker kafka, with 1 kill;')
    expect(content).toContain('1 kill with SIGKILL, by seed 7')
    expect(content).toContain('<canvas id="kills"')
    expect(contentOf(await pageOf(runResult()))).not.toContain('kill')
  })

  it('says how to get an outcome that the run has no order of', async () => {
    const { timelines, ...rest } = runResult()
    const content = contentOf(
      await pageOf({ ...rest, timelines: new Map([...timelines].filter(([id]) => id !== '2')) }),
    )
    expect(content).toContain('No order was rejected in this run; <code>npm start -- --stock 20</code> has some.')
  })

  it('shows what the input says as text, and never runs it', async () => {
    const { ledgers, ...rest } = runResult()
    const attack = '</script><script>alert(1)</script><img src=x onerror="alert(1)">'
    const orders = ledgers.orders.map(order => ({ ...order, reason: `out of stock: ${attack}` }))
    const page = await pageOf({ ...rest, ledgers: { ...ledgers, orders } })
    expect(page.includes(attack)).toBe(false)
    expect(contentOf(page)).toContain('&lt;img src=x onerror=&quot;alert(1)&quot;&gt;')
    expect(contentOf(page)).toContain('charge of &lt;1&gt;')
  })

  it('carries everything it needs, in less than 4 MB', async () => {
    const page = await pageOf(runResult())
    const markup = page.replaceAll(/(<script[^>]*>).*?<\/script>/gs, '$1')
    expect(markup).not.toMatch(/\b(src|href)=|url\(/)
    expect(page.length).toBeLessThan(4_000_000)
    // Each script is closed by its own end tag only.
    expect(page.match(/<\/script/g)).toHaveLength(4)
  })
})

describe('chartData', () => {
  it('counts and places the orders of each outcome', () => {
    const { outcomes } = chartData(runResult())
    expect(outcomes).toEqual([
      { outcome: 'completed', orders: 1, points: [{ x: 0, y: 40 }] },
      { outcome: 'rejected', orders: 1, points: [{ x: 0.5, y: 1500 }] },
      { outcome: 'cancelled', orders: 1, points: [{ x: 1, y: 20 }] },
      { outcome: 'refunded', orders: 1, points: [{ x: 1.5, y: 30 }] },
    ])
  })

  it('places the kills from the first order on, in their order', () => {
    const kills = [
      { what: 'order', atMs: 3000, downMs: 500 },
      { what: 'kafka', atMs: 900, downMs: 2100 },
    ]
    expect(chartData(runResult({ kills })).kills).toEqual([
      { what: 'kafka', from: -0.1, to: 2 },
      { what: 'order', from: 2, to: 2.5 },
    ])
  })

  it('thins out a large run evenly', () => {
    const latencies = Array.from({ length: 12_000 }, (_, index) => ({
      orderId: '1',
      placedMs: 1000 + index,
      tookMs: 1,
    }))
    const points = chartData(runResult({ latencies })).outcomes[0]?.points ?? []
    expect(points).toHaveLength(4000)
    expect(points.at(-1)?.x).toBeCloseTo(11.997)
  })
})
