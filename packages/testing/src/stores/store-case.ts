/** One sentence of a store's contract, and the run that proves it. */
export interface StoreCase<Scene> {
  readonly name: string
  /** @throws AssertionError where the store breaks the sentence */
  readonly run: (scene: Scene) => Promise<void>
}

export interface StoreCaseGroup<Scene> {
  readonly name: string
  readonly cases: readonly StoreCase<Scene>[]
}

/** What the author of a store gives, so that the kit can prove it. Cases use names that no other case or run has used. */
export interface StoreHarness<Store> {
  /** A client of the same data each time, as another process would have it. A store in memory gives the same object. */
  open(): Store | Promise<Store>
  /**
   * Resolves when at least `ms` have passed for the store: moves the clock that it was given, or waits where its time is
   * real. Asked for `shortLeaseMs` and a little more.
   */
  passTime(ms: number): Promise<void>
  /** Milliseconds since the epoch, as the store sees it. */
  now(): number | Promise<number>
  /** A lease worth waiting for: long enough for some calls, short enough for a test. */
  readonly shortLeaseMs: number
  /** After the last case. */
  close?(): Promise<void>
}

/** A lease that ends in no test. */
export const LONG_LEASE_MS = 600_000

/** How many ask at once where only one may get it. */
export const RACERS = 20

export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}

/** That many clients of the same data. */
export function racers<Store>(harness: StoreHarness<Store>): Promise<Store[]> {
  return Promise.all(times(RACERS, async () => harness.open()))
}
