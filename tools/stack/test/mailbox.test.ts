import { expect, it } from 'vitest'
import { createMailbox } from '../src/child-process/mailbox.ts'

it('keeps messages until they are taken, each once and in their order', async () => {
  const mailbox = createMailbox()
  mailbox.deliver({ name: 'row', content: 1 })
  mailbox.deliver({ name: 'done', content: 'all' })
  mailbox.deliver({ name: 'row', content: 2 })
  expect(await mailbox.take('done')).toBe('all')
  expect(await mailbox.take('row')).toBe(1)
  expect(await mailbox.take('row')).toBe(2)
})

it('serves those who wait for a name in their order', async () => {
  const mailbox = createMailbox()
  const taken = [mailbox.take('row'), mailbox.take('done'), mailbox.take('row')]
  for (const [name, content] of [
    ['row', 1],
    ['row', 2],
    ['done', 3],
  ] as const)
    mailbox.deliver({ name, content })
  expect(await Promise.all(taken)).toEqual([1, 3, 2])
})

it('gives a message to the next who waits when the first has given up', async () => {
  const mailbox = createMailbox()
  const giveUp = new AbortController()
  const first = mailbox.take('row', giveUp.signal)
  const second = mailbox.take('row')
  giveUp.abort(new Error('too late'))
  mailbox.deliver({ name: 'row', content: 1 })
  await expect(first).rejects.toThrow('too late')
  expect(await second).toBe(1)
})

it('gives what has come already even to one who has given up', async () => {
  const mailbox = createMailbox()
  mailbox.deliver({ name: 'row', content: 1 })
  expect(await mailbox.take('row', AbortSignal.abort())).toBe(1)
  await expect(mailbox.take('row', AbortSignal.abort())).rejects.toThrow('aborted')
})
