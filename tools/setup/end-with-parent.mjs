const pollMs = 500

/**
 * Ends this process as by SIGTERM when the process that started it is gone, also by SIGKILL: a run must not outlive the
 * command that started it. (Windows does not tell: the parent's id stays.)
 */
export function endWithParent() {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, pollMs)
  timer.unref()
}
