/** Settings by their names in postgresql.conf. */
export type PostgresSettings = Readonly<Record<string, string | number | boolean>>

const defaultSettings: PostgresSettings = {
  // What a killed server has written is safe in the system's cache: only a crash of the machine needs fsync, which is
  // what makes tests slow. Full page writes stay on: SIGKILL can end a write between two pages of the system.
  fsync: false,
  synchronous_commit: true,
  full_page_writes: true,
  wal_level: 'logical',
  max_connections: 200,
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  // As files of the data folder, which leave nothing behind when the server is killed.
  dynamic_shared_memory_type: 'mmap',
  log_line_prefix: '%m [%p] ',
}

/** The arguments of the program postgres for these settings, which win over the ones of this module. */
export function settingsArguments(settings: PostgresSettings): string[] {
  return Object.entries({ ...defaultSettings, ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${typeof value === 'boolean' ? onOrOff(value) : value}`,
  ])
}

function onOrOff(value: boolean): string {
  return value ? 'on' : 'off'
}
