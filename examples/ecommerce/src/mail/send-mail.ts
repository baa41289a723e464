import { createTransport } from 'nodemailer'
import type { SendMail } from '../email/email-service.ts'

/**
 * Sends through an SMTP server, over a few connections that stay open.
 *
 * @param url `smtp://…`, or `smtps://…` for TLS from the start, with user and password where the server wants them
 */
export function mailSender(url: string): { readonly send: SendMail; readonly close: () => void } {
  const transport = createTransport({ url, pool: true, maxConnections: 4 })
  return {
    async send({ messageId, to, subject, text, headers }) {
      await transport.sendMail({ from: 'orders@shop.example', to, subject, text, messageId, headers: { ...headers } })
    },
    close: () => transport.close(),
  }
}
