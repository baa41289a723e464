import { createTransport } from 'nodemailer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Mail } from '../../src/email/email-service.ts'
import { type MailServer, startMailServer } from '../../src/mail/mail-server.ts'
import { mailSender } from '../../src/mail/send-mail.ts'

let server: MailServer
let sender: ReturnType<typeof mailSender>

beforeEach(async () => {
  server = await startMailServer({ host: '127.0.0.1', port: 0 })
  sender = mailSender(`smtp://127.0.0.1:${server.port}`)
})
afterEach(async () => {
  sender.close()
  await server[Symbol.asyncDispose]()
})

const mail = (id: string, orderId = '536365'): Mail => ({
  messageId: `<${id}@shop.example>`,
  to: '17850.0@customers.example',
  subject: `Order ${orderId} completed`,
  text: `Dear customer, your order ${orderId} is completed.`,
  headers: { 'X-Order-Id': orderId, 'X-Kind': 'completed' },
})

describe('the mail server', () => {
  it('keeps what was sent', async () => {
    await sender.send(mail('a'))
    expect(server.mails).toEqual([
      { messageId: '<a@shop.example>', orderId: '536365', kind: 'completed', to: '17850.0@customers.example' },
    ])
    expect(server.sentTwice).toBe(0)
  })

  it('keeps one message of an id, and counts the others', async () => {
    await sender.send(mail('a'))
    await Promise.all([sender.send(mail('a')), sender.send(mail('a')), sender.send(mail('b'))])
    expect(server.mails.map(({ messageId }) => messageId)).toEqual(['<a@shop.example>', '<b@shop.example>'])
    expect(server.sentTwice).toBe(2)
  })

  it('keeps a second email of an order when its id is another', async () => {
    await sender.send(mail('a', '1'))
    await sender.send(mail('b', '1'))
    expect(server.mails.map(({ orderId }) => orderId)).toEqual(['1', '1'])
  })

  it('reads headers that are folded over several lines', async () => {
    const orderId = '5'.repeat(300)
    await sender.send(mail('a', orderId))
    expect(server.mails[0]?.orderId).toBe(orderId)
  })

  it('refuses what is too large, and keeps nothing of it', async () => {
    await expect(sender.send({ ...mail('a'), text: 'x'.repeat(100_000) })).rejects.toThrow('message too large')
    expect(server.mails).toEqual([])
  })

  it('serves this machine only', async () => {
    const elsewhere = createTransport({ host: '127.0.0.2', port: server.port, secure: false, connectionTimeout: 2000 })
    await expect(elsewhere.verify()).rejects.toThrow('ECONNREFUSED')
  })

  it('says so when its port is taken', async () => {
    await expect(startMailServer({ host: '127.0.0.1', port: server.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  })
})
