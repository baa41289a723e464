import type { PreparedEvent } from './event/event.ts'
import type { Middleware } from './middleware.ts'
import type { Receipt } from './publish-options.ts'

export type Send = (event: PreparedEvent, delayMs: number) => Promise<Receipt>

/** The publish middleware around sending, put together once. */
export function compilePublish(middleware: readonly Middleware[], send: Send): Send {
  return middleware.reduceRight<Send>((next, { publish }) => {
    if (publish === undefined) return next
    return (event, delayMs) => publish(event, passed => next(passed, delayMs))
  }, send)
}
