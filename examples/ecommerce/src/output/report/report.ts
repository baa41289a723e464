import { readFile, writeFile } from 'node:fs/promises'
import { sagaMermaid } from '@mekong/saga'
import { pounds } from '../../run/invariants.ts'
import type { RunResult } from '../../run/run-shop.ts'
import { orderSaga } from '../../saga.ts'
import { counted, duration, figure } from '../figures.ts'
import type { Summary } from '../summary.ts'
import { chartData } from './chart-data.ts'
import { escaped, table } from './markup.ts'
import { timelines } from './timelines.ts'

/** Writes the page that shows the run. It carries everything it needs, and opens without a network. */
export async function writeReport(file: string, summary: Summary, result: RunResult): Promise<void> {
  const [style, drawing, mermaid, charts] = await Promise.all([
    source(new URL('report.css', import.meta.url)),
    source(new URL('report.js', import.meta.url)),
    source(import.meta.resolve('@mermaid-js/tiny')),
    // The build for browsers stands beside the one for Node.
    source(new URL('chart.umd.min.js', import.meta.resolve('chart.js'))),
  ])
  await writeFile(
    file,
    page(sections(summary, result), { style, scripts: [mermaid, charts, drawing], data: chartData(result) }),
  )
}

function source(url: URL | string): Promise<string> {
  return readFile(new URL(url), 'utf8')
}

interface PageParts {
  readonly style: string
  readonly scripts: readonly string[]
  readonly data: unknown
}

function page(content: string, { style, scripts, data }: PageParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Mekong: a run of the shop</title>
<style>${style}</style>
</head>
<body>
<main>${content}</main>
<script id="data" type="application/json">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>
${scripts.map(script => `<script>${script.replaceAll('</script', '<\\/script')}</script>`).join('\n')}
</body>
</html>
`
}

function sections(summary: Summary, result: RunResult): string {
  return `
<header><h1>${counted(summary.orders, 'order')} through four services</h1><p>${opening(summary)}</p></header>
<section><h2>Invariants</h2>${checks(summary)}</section>
<section class="two">
<div><h2>Outcomes</h2><div class="chart"><canvas id="outcomes" role="img" aria-label="How many orders ended how"></canvas></div></div>
<div><h2>In figures</h2>${table(figures(summary))}</div>
</section>
<section><h2>From order to email, over the run</h2>
<p>Each dot is an order: when it was placed, and how long its email took. Orders are placed faster than they are worked off, so they
wait; a return needs fewer steps.</p>
<div class="chart"><canvas id="latency" role="img" aria-label="Time from order to email, over the run"></canvas></div>
${kills(summary)}</section>
<section class="wide"><h2>The saga</h2>
<p>Drawn from the value in <code>src/saga.ts</code> that the services run by. Dotted arrows are failures, the dashed box compensates,
the thick box is the step after which nothing is taken back, the hexagon waits for both of its events.</p>
<pre class="mermaid">${escaped(sagaMermaid(orderSaga))}</pre></section>
<section><h2>What became of some orders</h2>${timelines(result)}</section>`
}

function opening({ broker, chaosSeed, killSeed, kills, ordersPerSecond, tookMs, invariants }: Summary): string {
  const failed = invariants.filter(invariant => !invariant.holds).length
  const verdict =
    failed === 0
      ? 'every invariant holds'
      : `<strong class="bad">${failed} of ${counted(invariants.length, 'invariant')} fail</strong>`
  const chaos = chaosSeed === null ? '' : `, with chaos ${chaosSeed}`
  const killed = killSeed === null ? '' : `, with ${counted(kills, 'kill')}`
  return `${figure(ordersPerSecond)} orders a second for ${duration(tookMs)} on the broker ${escaped(broker)}${chaos}${killed}; ${verdict}.`
}

/** Below the latencies, on the same axis. */
function kills({ kills: count, killSeed }: Summary): string {
  if (killSeed === null) return ''
  return `<p>${counted(count, 'kill')} with SIGKILL, by seed ${killSeed}: a bar is how long what was killed was away.</p>
<div class="chart"><canvas id="kills" role="img" aria-label="What was killed when, and how long it was away"></canvas></div>`
}

function checks({ invariants }: Summary): string {
  const items = invariants.map(
    ({ name, holds, detail }) =>
      `<li class="${holds ? 'good' : 'bad'}">${holds ? '✓' : '✗'} ${escaped(name)} <small>${escaped(detail)}</small></li>`,
  )
  return `<ul class="checks">${items.join('')}</ul>`
}

function figures(summary: Summary): readonly (readonly [string, string])[] {
  return [
    ['charged', pounds(summary.chargedPence)],
    ['refunded', pounds(summary.refundedPence)],
    ['lines rejected', `${figure(summary.linesRejected)} of ${figure(summary.lines)}`],
    ...Object.entries(summary.linesRejectedByReason)
      .filter(([, lines]) => lines > 0)
      .map(([reason, lines]) => [`– ${reason}`, figure(lines)] as const),
    ['emails', `${figure(summary.emails)}, ${figure(summary.emailsSentTwice)} sent twice`],
    ['events published, handled', `${figure(summary.eventsPublished)}, ${figure(summary.eventsHandled)}`],
    ['duplicates suppressed', figure(summary.duplicatesSuppressed)],
    ['redeliveries', figure(summary.redeliveries)],
    ['failed attempts', figure(summary.failedAttempts)],
    ['dead letters, redriven', `${figure(summary.deadLetters)}, ${figure(summary.redriven)}`],
    ...(summary.chaosSeed === null ? [] : [['restarts of services', figure(summary.restarts)] as const]),
    ...(summary.killSeed === null ? [] : [['kills', figure(summary.kills)] as const]),
    ['order to email, p50 and p99', `${duration(summary.orderToEmailMs.p50)}, ${duration(summary.orderToEmailMs.p99)}`],
  ]
}
