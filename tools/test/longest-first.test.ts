import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { longest } from './longest-first.ts'

it('knows the files that take long by where they are', () => {
  const isGone = (file: string): boolean => !existsSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)))
  expect(longest.filter(isGone)).toEqual([])
})
