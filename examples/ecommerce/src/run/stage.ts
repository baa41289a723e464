import type { InventoryOptions } from '../inventory/inventory-service.ts'
import type { PaymentOptions } from '../payment/payment-service.ts'
import type { Progress } from './progress.ts'
import type { Shop } from './shop.ts'

/** Where the shop runs, with the servers that it needs, and what goes wrong there on purpose. */
export interface Stage extends AsyncDisposable {
  readonly shop: Shop
  /** Holds the tables of all services. */
  readonly databaseUrl: string
  readonly trouble: Trouble | undefined
}

export interface StageOptions extends InventoryOptions, PaymentOptions {
  readonly smtpUrl: string
  /** How many orders there will be. */
  readonly orders: number
  readonly progress: Progress
}

export type OpenStage = (options: StageOptions) => Promise<Stage>

/** What goes wrong on purpose in a run. */
export interface Trouble {
  /** Goes on until `over`, or until that was enough. Rejects when something could not be brought back. */
  cause(over: AbortSignal): Promise<void>
  /** Resolves when one more order may be placed. `placed` are so far. */
  mayPlace(placed: number): Promise<void>
  /** What made events fail at every attempt is mended: after a redrive they pass. */
  mend(): void
  /** Of services that were cut off inside this process. */
  readonly restarts: number
  readonly kills: readonly Kill[]
}

/** Something was killed with SIGKILL. */
export interface Kill {
  readonly what: string
  /** Milliseconds since the epoch. */
  readonly atMs: number
  /** From the kill until it answered again. */
  readonly downMs: number
}
