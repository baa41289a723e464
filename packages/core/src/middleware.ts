import type { HandlerContext } from './handler.ts'
import type { PreparedEvent } from './event/event.ts'
import type { Receipt } from './publish-options.ts'

/** Wraps publishing and handling. The first in the list is the outermost. Compiled once at start. */
export interface Middleware {
  /**
   * Sees the event after validation, before it is sent; passes it, or another, to `next`. Events of one key are sent in the
   * order of the calls, so `next` waits for those ahead: do not wait here for another publish of the same key.
   */
  readonly publish?: (event: PreparedEvent, next: (event: PreparedEvent) => Promise<Receipt>) => Promise<Receipt>
  /** Runs inside the attempt: an error counts as the handler's. */
  readonly handle?: (event: unknown, context: HandlerContext, next: () => Promise<void>) => Promise<void>
}
