import type { StepHandlers } from '@mekong/saga'
import type { OrderSaga } from '../saga.ts'

/** Sends one mail; resolves when the mail server has it. */
export type SendMail = (mail: Mail) => Promise<void>

export interface Mail {
  /** Made from the event: the mail server keeps one message of an id, however often it is sent. */
  readonly messageId: string
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * An email is an effect outside the database: when the process dies between the sending and the commit, it is sent again.
 * The Message-ID is the same then, and the mail server keeps one.
 */
export function emailSteps(send: SendMail): StepHandlers<OrderSaga, 'email'> {
  return {
    async notify({ type, data: { orderId, customerId } }, step) {
      const kind = type.replace('order.', '')
      await send({
        messageId: `<${step.context.id}@shop.example>`,
        to: `${addressOf(customerId)}@customers.example`,
        subject: `Order ${orderId} ${kind}`,
        text: `Dear customer, your order ${orderId} is ${kind}.`,
        headers: { 'X-Order-Id': orderId, 'X-Kind': kind },
      })
      await step.tx.query('insert into email.sent (order_id, kind) values ($1, $2)', [orderId, kind])
    },
  }
}

/** Whatever a customer is called, it is the local part of an address: 64 characters at most, and dots only in between. */
function addressOf(customerId: string): string {
  const name = customerId.slice(0, 64).replace(/[^A-Za-z0-9.-]|^\.|\.(?=\.|$)/g, '_')
  return name === '' ? 'guest' : name
}

export const emailMigration = {
  name: 'email-001',
  statements: () => [
    `create table if not exists email.sent (
      order_id text primary key,
      kind text not null,
      sent_at timestamptz not null default clock_timestamp()
    )`,
  ],
}
