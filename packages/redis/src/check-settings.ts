/** What weakens an idempotency store among the settings of a Redis, from its INFO sections `memory` and `persistence`. */
export function weaknesses(info: string): readonly string[] {
  const found: string[] = []
  const policy = field(info, 'maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction' && field(info, 'maxmemory') !== '0') {
    found.push(
      `Redis evicts records when its memory is full (maxmemory-policy ${policy}), and events that come again after that are ` +
        'handled again: set noeviction',
    )
  }
  if (field(info, 'aof_enabled') === '0') {
    found.push(
      'Redis keeps no append-only file: what was handled shortly before it restarts is forgotten, and handled again if it ' +
        'comes again: set appendonly yes',
    )
  }
  return found
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
}
