import { Client } from 'pg'
import { expect, inject, it } from 'vitest'
import { freshDatabase } from '../src/index.ts'

it('gives every suite a Postgres to make databases in', async () => {
  await using database = await freshDatabase(inject('postgresUrl'))
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query('SELECT current_database() AS name')
  expect(rows).toEqual([{ name: database.name }])
  await client.end()
})
