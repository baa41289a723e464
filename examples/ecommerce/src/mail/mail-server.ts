import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

/** One message that the server keeps. */
export interface KeptMail {
  readonly messageId: string
  readonly orderId: string
  readonly kind: string
  readonly to: string
}

/** A local SMTP server that keeps one message of each Message-ID, as a mailbox that recognises what it has would. */
export interface MailServer extends AsyncDisposable {
  readonly port: number
  /** Of the messages kept, in order of arrival. */
  readonly mails: readonly KeptMail[]
  /** Messages that came again with an id that is kept already. */
  readonly sentTwice: number
}

/** Where it listens. */
export interface MailAddress {
  readonly host: string
  /** Zero: any that is free. */
  readonly port: number
}

const maxMessageBytes = 64 * 1024
const closeWithinMs = 500

/** Rejects when the port is taken. */
export async function startMailServer({ host, port }: MailAddress): Promise<MailServer> {
  const kept = new Map<string, KeptMail>()
  let sentTwice = 0
  const keep = (mail: KeptMail): void => {
    if (kept.has(mail.messageId)) sentTwice++
    else kept.set(mail.messageId, mail)
  }
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    size: maxMessageBytes,
    logger: false,
    // Whoever keeps a connection for the next mail is not waited for.
    closeTimeout: closeWithinMs,
    onData(stream, _session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => {
        if (!stream.sizeExceeded) chunks.push(chunk)
      })
      stream.on('end', () => {
        if (stream.sizeExceeded) return done(Object.assign(new Error('message too large'), { responseCode: 552 }))
        keep(readMail(Buffer.concat(chunks).toString('utf8')))
        done()
      })
    },
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  server.on('error', () => undefined)
  return {
    port: (server.server.address() as AddressInfo).port,
    get mails() {
      return [...kept.values()]
    },
    get sentTwice() {
      return sentTwice
    },
    [Symbol.asyncDispose]: () => new Promise<void>(resolve => server.close(resolve)),
  }
}

function readMail(source: string): KeptMail {
  const head = source.split('\r\n\r\n', 1)[0]?.replace(/\r\n[ \t]+/g, ' ') ?? ''
  const headers = new Map<string, string>()
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  const field = (name: string): string => headers.get(name) ?? ''
  return { messageId: field('message-id'), orderId: field('x-order-id'), kind: field('x-kind'), to: field('to') }
}
