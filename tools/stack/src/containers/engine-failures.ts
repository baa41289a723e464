interface EngineFailure {
  readonly statusCode?: number
}

/** For removals: passes over that there is no such thing any more, or that somebody else is removing it. */
export function ignoreGone(error: unknown): void {
  const { statusCode } = error as EngineFailure
  if (statusCode !== 404 && statusCode !== 409) throw error
}

/** Whether a container could not start because somebody else listens on one of its ports. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof Error && /port is already allocated|address already in use/.test(error.message)
}
