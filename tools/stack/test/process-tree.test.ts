import { expect, it } from 'vitest'
import { signalProcessTree } from '../src/supervisor/process-tree.ts'

// By a signal that does nothing, should the guard be gone.
it.each([1, 0, -1, 1.5, NaN])('signals neither the first process, nor groups, nor what is no process: %s', pid => {
  expect(() => signalProcessTree(pid, 'SIGWINCH')).toThrow('is not a process that may be sent SIGWINCH')
})
