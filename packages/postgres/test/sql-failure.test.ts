import { isMekongError, MekongError } from '@mekong/core'
import { describe, expect, it } from 'vitest'
import { isSqlError, sqlFailure } from '../src/index.ts'

const refusal = (code: string, more: object = {}): Error =>
  Object.assign(new Error('secret message'), { code, ...more })

describe('sqlFailure', () => {
  it.each(['55P03', '40001', '40P01'])('takes %s for BUSY', code => {
    expect(sqlFailure(refusal(code))).toMatchObject({ code: 'BUSY', retryable: true })
  })

  it.each(['08006', '57P01', '53300', '25P03', 'ECONNREFUSED', 'EPIPE', undefined])(
    'takes %s for a database that is out of reach',
    code => {
      const failure = sqlFailure(Object.assign(new Error('secret message'), { code }))
      expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true })
      expect(failure.message).not.toContain('secret')
    },
  )

  it('finds the SQLSTATE in the causes of a wrapped error, and leaves its values behind', () => {
    const failure = sqlFailure(
      new Error('Failed query: insert … params: secret', {
        cause: refusal('22P02', { detail: 'secret', table: 'note' }),
      }),
    )
    expect(isSqlError(failure)).toBe(true)
    expect(failure).toMatchObject({ code: '22P02', table: 'note' })
    expect(failure.cause).toBeUndefined()
    expect(failure.message).toBe('Postgres refused a statement (SQLSTATE 22P02)')
  })

  it('passes on its own errors and the mistakes of programmers', () => {
    const errors = [new MekongError('BUSY', 'x'), new TypeError('x'), sqlFailure(refusal('23505'))]
    expect(errors.map(sqlFailure)).toEqual(errors)
    expect(isMekongError(errors[2])).toBe(false)
  })
})
