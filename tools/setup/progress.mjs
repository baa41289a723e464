const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 80

/**
 * Says on stderr what is going on while the work runs: a spinner on a terminal, one line elsewhere.
 *
 * @template T
 * @param {string} title
 * @param {(say: (title: string) => void) => Promise<T>} work may replace the title
 * @returns {Promise<T>}
 */
export async function withProgress(title, work) {
  const started = performance.now()
  const line = process.stderr.isTTY ? spinner(title) : plainLine(title)
  try {
    const result = await work(line.say)
    line.end(`✓ ${title} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
    return result
  } catch (error) {
    line.end(`✗ ${title}`)
    throw error
  }
}

/** @param {string} title */
function plainLine(title) {
  /** @param {string} text */
  const print = text => void process.stderr.write(`${text}\n`)
  print(`… ${title}`)
  return { say: print, end: print }
}

/** @param {string} title */
function spinner(title) {
  let current = title
  let frame = 0
  const draw = () => process.stderr.write(`\r\x1b[2K${frames[frame++ % frames.length]} ${current}`)
  draw()
  const timer = setInterval(draw, frameMs)
  return {
    /** @param {string} text */
    say: text => void (current = text),
    /** @param {string} text */
    end: text => {
      clearInterval(timer)
      process.stderr.write(`\r\x1b[2K${text}\n`)
    },
  }
}
