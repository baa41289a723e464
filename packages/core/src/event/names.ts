const maxNameLength = 200
const eventTypePattern = /^[A-Za-z0-9][A-Za-z0-9._:-]*$/
const topicPattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

/** What an event type may be called, for messages. */
export const eventTypeRule: string = `letters, digits, and . _ - : after the first character, at most ${maxNameLength}`

/** What a topic may be called, for messages. A broker may allow less. */
export const topicRule: string = `letters, digits, and . _ - after the first character, at most ${maxNameLength}`

export function isEventType(name: string): boolean {
  return name.length <= maxNameLength && eventTypePattern.test(name)
}

export function isTopicName(name: string): boolean {
  return name.length <= maxNameLength && topicPattern.test(name)
}

/** The names closest to a misspelt one, best first, at most three. */
export function nearNames(name: string, known: Iterable<string>): readonly string[] {
  const farthest = Math.max(2, Math.floor(name.length / 3))
  return Array.from(known, candidate => ({ candidate, distance: editDistance(name, candidate, farthest) }))
    .filter(({ distance }) => distance <= farthest)
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ candidate }) => candidate)
}

/** Levenshtein distance without regard to case; anything above `farthest` may come out as more than it is. */
function editDistance(left: string, right: string, farthest: number): number {
  if (Math.abs(left.length - right.length) > farthest) return farthest + 1
  const [a, b] = [left.toLowerCase(), right.toLowerCase()]
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1))
    }
    previous = current
  }
  return previous[b.length]!
}
