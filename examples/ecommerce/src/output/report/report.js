/* global document, getComputedStyle, location, matchMedia, mermaid, Chart */
{
  const dark = matchMedia('(prefers-color-scheme: dark)')
  dark.addEventListener('change', () => location.reload())

  // A colour of the style sheet, as it is in the scheme of the reader.
  const probe = document.body.appendChild(document.createElement('span'))
  const colour = name => {
    probe.style.color = `var(--${name})`
    return getComputedStyle(probe).color
  }

  mermaid.initialize({
    startOnLoad: true,
    securityLevel: 'strict',
    look: 'classic',
    theme: 'base',
    themeVariables: {
      darkMode: dark.matches,
      background: colour('ground'),
      primaryColor: colour('box'),
      primaryTextColor: colour('ink'),
      primaryBorderColor: colour('quiet'),
      lineColor: colour('quiet'),
      textColor: colour('ink'),
      clusterBkg: colour('panel'),
      clusterBorder: colour('line'),
      edgeLabelBackground: colour('ground'),
    },
    flowchart: { curve: 'basis', nodeSpacing: 30, rankSpacing: 45 },
  })

  const { outcomes, kills } = JSON.parse(document.getElementById('data').textContent)
  Chart.defaults.color = colour('quiet')
  Chart.defaults.borderColor = colour('line')
  Chart.defaults.animation = false
  Chart.defaults.maintainAspectRatio = false
  const axis = title => ({ beginAtZero: true, title: { display: true, text: title } })

  const draw = (id, chart) => void new Chart(document.getElementById(id), chart)
  draw('outcomes', {
    type: 'bar',
    data: {
      labels: outcomes.map(({ outcome, orders }) => `${outcome}: ${orders.toLocaleString('en-GB')}`),
      datasets: [
        { data: outcomes.map(({ orders }) => orders), backgroundColor: outcomes.map(({ outcome }) => colour(outcome)) },
      ],
    },
    options: { indexAxis: 'y', plugins: { legend: { display: false } }, scales: { x: axis('orders') } },
  })

  // What is drawn on the axis of time has the same beginning, end and place.
  const ends = [
    ...outcomes.flatMap(({ points }) => points.map(({ x, y }) => x + y / 1000)),
    ...kills.map(({ to }) => to),
  ]
  const time = { min: Math.min(0, ...kills.map(({ from }) => from)), max: Math.max(...ends, 0.1) }
  const timeAxis = { ...axis('seconds since the first order was placed'), beginAtZero: false, ...time }
  const besides = { afterFit: scale => void (scale.width = 90) }

  draw('latency', {
    type: 'scatter',
    data: {
      datasets: outcomes
        .filter(({ points }) => points.length > 0)
        .map(({ outcome, points }) => ({
          label: outcome,
          data: points,
          pointRadius: 2,
          backgroundColor: colour(outcome),
          borderColor: colour(outcome),
        })),
    },
    options: {
      plugins: { legend: { labels: { usePointStyle: true } } },
      scales: { x: timeAxis, y: { ...axis('milliseconds from order to email'), ...besides } },
    },
  })

  if (kills.length > 0) {
    const victims = [...new Set(kills.map(({ what }) => what))].toSorted((a, b) => a.localeCompare(b))
    draw('kills', {
      type: 'bar',
      data: {
        labels: victims,
        datasets: [
          {
            data: kills.map(({ what, from, to }) => ({ y: what, x: [from, to] })),
            backgroundColor: colour('bad'),
            minBarLength: 3,
            barPercentage: 0.6,
            grouped: false,
          },
        ],
      },
      options: {
        indexAxis: 'y',
        plugins: {
          legend: { display: false },
          tooltip: { callbacks: { label: ({ raw }) => `away ${(raw.x[1] - raw.x[0]).toFixed(1)} s` } },
        },
        scales: { x: timeAxis, y: { ...besides } },
      },
    })
  }

  probe.remove()
}
