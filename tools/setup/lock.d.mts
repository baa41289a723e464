// For packages that do not check JavaScript.
export interface Lock {
  /** The lock is held as long as this process lives too. */
  shareWith(pid: number): void
}

/** Runs the body while no other process on this lock file does. Holders that died are noticed. */
export function withLock<T>(
  file: string,
  body: (lock: Lock) => Promise<T>,
  options: {
    /** Called once, when somebody else holds it. */
    onWait(): void
    readonly silenceMs?: number
  },
): Promise<T>
