import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ServiceEntry, sagaMermaid } from '@mekong/saga'
import { pounds } from '../run/invariants.ts'
import type { RunResult } from '../run/run-shop.ts'
import { orderSaga } from '../saga.ts'
import type { Summary } from './summary.ts'

/** Writes the page that shows the run. It carries everything it needs, and opens without a network. */
export async function writeReport(file: string, summary: Summary, result: RunResult): Promise<void> {
  const [mermaid, chart] = await Promise.all([script('mermaid', 'mermaid.min.js'), script('chart.js', 'chart.umd.min.js')])
  await writeFile(file, page(summary, result, [mermaid, chart]))
}

/** The build for browsers stands beside the one for Node. */
async function script(packageName: string, file: string): Promise<string> {
  const entry = fileURLToPath(import.meta.resolve(packageName))
  const source = await readFile(join(dirname(entry), file), 'utf8')
  // Only the end tag of a script element ends it.
  return source.replaceAll('</script', '<\\/script')
}

function page(summary: Summary, result: RunResult, scripts: readonly string[]): string {
  const failed = summary.invariants.filter(invariant => !invariant.holds).length
  const data = { outcomes: summary.ordersByOutcome, latencies: latencyPoints(result) }
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mekong: a run of the shop</title>
<style>${style}</style>
</head>
<body>
<main>
<header>
<h1>${count(summary.orders)} orders through four services</h1>
<p>${summary.ordersPerSecond} orders a second on ${escape(summary.broker)}${summary.chaosSeed === null ? '' : `, with chaos ${summary.chaosSeed}`};
${failed === 0 ? 'every invariant holds' : `<strong class="bad">${failed} invariants do not hold</strong>`}.</p>
</header>
<section><h2>Invariants</h2><ul class="checks">${summary.invariants
    .map(({ name, holds, detail }) => `<li class="${holds ? 'good' : 'bad'}">${holds ? '✓' : '✗'} ${escape(name)} <small>${escape(detail)}</small></li>`)
    .join('')}</ul></section>
<section class="two"><div><h2>Outcomes</h2><canvas id="outcomes" height="220"></canvas></div>
<div><h2>In figures</h2>${figures(summary)}</div></section>
<section><h2>From order to email, over the run</h2><canvas id="latency" height="90"></canvas></section>
<section><h2>The saga</h2><pre class="mermaid">${escape(sagaMermaid(orderSaga))}</pre></section>
<section><h2>What became of some orders</h2>${timelines(result)}</section>
</main>
<script id="data" type="application/json">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>
${scripts.map(source => `<script>${source}</script>`).join('\n')}
<script>${drawing}</script>
</body>
</html>
`
}

function figures(summary: Summary): string {
  const rows: readonly (readonly [string, string])[] = [
    ['charged', pounds(summary.chargedPence)],
    ['refunded', pounds(summary.refundedPence)],
    ['lines rejected', `${count(summary.linesRejected)} of ${count(summary.lines)}`],
    ...Object.entries(summary.linesRejectedByReason)
      .filter(([, lines]) => lines > 0)
      .map(([reason, lines]) => [`– ${reason}`, count(lines)] as const),
    ['emails', `${count(summary.emails)}, ${summary.emailsSentTwice} sent twice`],
    ['events published, handled', `${count(summary.eventsPublished)}, ${count(summary.eventsHandled)}`],
    ['duplicates suppressed', count(summary.duplicatesSuppressed)],
    ['redeliveries', count(summary.redeliveries)],
    ['failed attempts', count(summary.failedAttempts)],
    ['dead letters', count(summary.deadLetters)],
    ['restarts', count(summary.restarts)],
    ['order to email', `p50 ${summary.orderToEmailMs.p50} ms, p99 ${summary.orderToEmailMs.p99} ms`],
  ]
  return `<table>${rows.map(([name, value]) => `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`).join('')}</table>`
}

function timelines({ timelines: all, ledgers }: RunResult): string {
  return [...all]
    .map(([orderId, entries]) => {
      const order = ledgers.orders.find(row => row.order_id === orderId)
      return `<article><h3>${escape(orderId)} <span class="tag">${escape(order?.status ?? '')}</span> <small>${escape(order?.reason ?? '')}</small></h3>
<table class="timeline"><thead><tr><th>ms</th><th>service</th><th>step</th><th>heard</th><th>emitted</th><th>attempt</th><th>duplicates</th></tr></thead>
<tbody>${entries.map(entry => timelineRow(entry, entries[0]?.at ?? entry.at)).join('')}</tbody></table></article>`
    })
    .join('')
}

function timelineRow({ at, service, step, event, emitted, attempt, duplicates }: ServiceEntry, start: number): string {
  const cells = [Math.round(at - start), service, step, event?.type ?? 'time was up', emitted.join(', '), attempt, duplicates]
  return `<tr>${cells.map(cell => `<td>${escape(String(cell))}</td>`).join('')}</tr>`
}

/** Seconds since the first order, and how long its email took. */
function latencyPoints({ latencies }: RunResult): readonly { readonly x: number; readonly y: number }[] {
  const start = latencies.reduce((first, { placedMs }) => Math.min(first, placedMs), Infinity)
  return sample(latencies, 5000).map(({ placedMs, tookMs }) => ({ x: (placedMs - start) / 1000, y: Math.round(tookMs) }))
}

/** Evenly thinned, so that a large run still makes a page that opens. */
function sample<T>(values: readonly T[], most: number): readonly T[] {
  const step = Math.ceil(values.length / most)
  return step <= 1 ? values : values.filter((_, index) => index % step === 0)
}

function count(value: number): string {
  return value.toLocaleString('en-GB')
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

const style = `
:root { color-scheme: light dark; --line: #8884; --good: #2a7d4f; --bad: #c0392b; --ink: #1f6f8b }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.15rem; margin: 0 0 .6rem } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem }
section { margin-top: 2rem } .two { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 2rem }
.checks { list-style: none; padding: 0; margin: 0 } .good { color: var(--good) } .bad { color: var(--bad) } small { opacity: .75 }
table { border-collapse: collapse; width: 100%; font-size: .9rem } th, td { text-align: left; padding: .15rem .6rem .15rem 0; border-bottom: 1px solid var(--line) }
th { font-weight: 500 } td { font-variant-numeric: tabular-nums } .tag { border: 1px solid var(--line); border-radius: 1em; padding: 0 .6em; font-size: .8rem }
.mermaid { background: #fff; padding: 1rem; border-radius: .4rem; overflow-x: auto; text-align: center } article { overflow-x: auto }
`

const drawing = `
const data = JSON.parse(document.getElementById('data').textContent)
mermaid.initialize({ startOnLoad: true, theme: 'neutral', securityLevel: 'strict' })
const ink = getComputedStyle(document.documentElement).getPropertyValue('--ink')
new Chart(document.getElementById('outcomes'), {
  type: 'bar',
  data: { labels: Object.keys(data.outcomes), datasets: [{ data: Object.values(data.outcomes), backgroundColor: ['#2a7d4f', '#c0392b', '#d68910', '#1f6f8b'] }] },
  options: { animation: false, indexAxis: 'y', plugins: { legend: { display: false } }, scales: { x: { title: { display: true, text: 'orders' } } } },
})
new Chart(document.getElementById('latency'), {
  type: 'scatter',
  data: { datasets: [{ data: data.latencies, pointRadius: 1.5, backgroundColor: ink }] },
  options: { animation: false, plugins: { legend: { display: false } }, scales: {
    x: { title: { display: true, text: 'seconds since the first order' }, beginAtZero: true },
    y: { title: { display: true, text: 'milliseconds from order to email' }, beginAtZero: true } } },
})
`
