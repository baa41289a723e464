/**
 * Hands results on in the order in which they were asked for, per name, although an asynchronous one may take longer than
 * those behind it. Results that are there at once cost nothing while no slower one of their name is ahead.
 */
export function createTurns(): <T>(name: string, result: T | Promise<T>) => T | Promise<T> {
  const lastOf = new Map<string, Promise<unknown>>()

  return (name, result) => {
    const ahead = lastOf.get(name)
    if (ahead === undefined && !(result instanceof Promise)) return result
    const mine = follow(ahead, result)
    lastOf.set(name, mine)
    const leave = (): void => {
      if (lastOf.get(name) === mine) lastOf.delete(name)
    }
    mine.then(leave, leave)
    return mine
  }
}

async function follow<T>(ahead: Promise<unknown> | undefined, result: T | Promise<T>): Promise<T> {
  // It may reject while it waits for its turn: whoever asked hears of it then.
  if (result instanceof Promise) result.catch(() => {})
  await ahead?.catch(() => {})
  return result
}
