import { createTransport } from 'nodemailer'
import type { SendMail } from '../email/email-service.ts'

/** Sends through an SMTP server on this machine, over a few connections that stay open. */
export function mailSender(port: number): { readonly send: SendMail; readonly close: () => void } {
  const transport = createTransport({
    host: '127.0.0.1',
    port,
    secure: false,
    ignoreTLS: true,
    pool: true,
    maxConnections: 4,
  })
  return {
    async send({ messageId, to, subject, text, headers }) {
      await transport.sendMail({ from: 'orders@shop.example', to, subject, text, messageId, headers: { ...headers } })
    },
    close: () => transport.close(),
  }
}
