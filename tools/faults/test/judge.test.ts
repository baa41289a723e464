import { expect, it } from 'vitest'
import { judge } from '../src/judge.ts'
import { type Numbered, numbered } from '../src/load.ts'

const of = (...names: string[]): Numbered[] =>
  names.map(name => ({ key: name.slice(0, 1), number: Number(name.slice(1)) }))

it('draws the keys in turn, each counting from 1', () => {
  expect([...numbered({ events: 5, keys: 2 })].map(({ key, number }) => `${key} ${number}`)).toEqual([
    'key-0 1',
    'key-1 1',
    'key-0 2',
    'key-1 2',
    'key-0 3',
  ])
})

it('finds nothing in a run that went well', () => {
  expect(judge({ confirmed: of('a1', 'a2', 'b1'), effects: of('a1', 'b1', 'a2') })).toEqual({
    confirmed: 3,
    effects: 3,
    lost: [],
    repeated: [],
    inverted: [],
  })
})

it('names what was lost, repeated and out of order', () => {
  expect(judge({ confirmed: of('a1', 'a2', 'a3', 'b1'), effects: of('a1', 'a3', 'a2', 'a3', 'a1') })).toEqual({
    confirmed: 4,
    effects: 5,
    lost: ['b/1'],
    repeated: ['a/3', 'a/1'],
    inverted: ['a/2'],
  })
})

it('says nothing about an effect whose publishing was never confirmed', () => {
  expect(judge({ confirmed: [], effects: of('a1') })).toMatchObject({ lost: [], repeated: [], inverted: [] })
})
