import type { Survey } from '../intake/read-orders.ts'

/** Hears how far the run is. */
export interface Progress {
  surveyed(survey: Survey): void
  /** Orders placed and orders ended so far. */
  moved(placed: number, ended: number): void
  /** Something happened that a spectator wants to know. */
  tell(line: string): void
}
