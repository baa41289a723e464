/** Settings by their names in redis.conf. */
export type RedisSettings = Readonly<Record<string, string | number | boolean>>

const defaultSettings: RedisSettings = {
  bind: '127.0.0.1',
  // Every change is handed to the system before its reply, which is all that SIGKILL asks for. With everysec that may
  // be postponed by two seconds while the disk is busy; and only a crash of the machine needs the disk.
  appendonly: true,
  appendfsync: 'no',
  save: '',
}

/** The text of a redis.conf for these settings, which win over the ones of this module. */
export function redisConfiguration(settings: RedisSettings): string {
  return Object.entries({ ...defaultSettings, ...settings })
    .map(([name, value]) => `${name} ${written(value)}\n`)
    .join('')
}

function written(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return JSON.stringify(String(value)) // quoted as redis.conf wants it
}
