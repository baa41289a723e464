import { expect, it } from 'vitest'
import { settingsArguments } from '../src/postgres/postgres-settings.ts'

it('keeps what was committed through a kill, and is ready for logical replication', () => {
  expect(settingsArguments({})).toEqual(
    expect.arrayContaining(['fsync=off', 'synchronous_commit=on', 'full_page_writes=on', 'wal_level=logical']),
  )
})

it('listens on the loopback address only', () => {
  expect(settingsArguments({})).toEqual(
    expect.arrayContaining(['listen_addresses=127.0.0.1', 'unix_socket_directories=']),
  )
})

it('gives way to the settings of the caller', () => {
  const given = settingsArguments({ max_connections: 20, jit: false })
  expect(given).toEqual(expect.arrayContaining(['max_connections=20', 'jit=off']))
  expect(given).not.toContain('max_connections=200')
})
