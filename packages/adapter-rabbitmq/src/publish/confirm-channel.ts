import type { ConfirmChannel as AmqpChannel, Message, Options } from 'amqplib'
import { isClosedChannel, RabbitMqError } from '../rabbitmq-failures.ts'
import type { Address } from './addressing.ts'
import { ConfirmWindow } from './confirm-window.ts'
import type { Sending } from './sending.ts'

/** A confirm channel of amqplib with its window. It ends once, with everything that is unconfirmed. */
export class ConfirmChannel {
  readonly #channel: AmqpChannel
  readonly #window = new ConfirmWindow()
  readonly #onEnd: () => void
  #isFull = false
  #isOpen = true
  #closeError: unknown

  /** `progress`: there may be room again. `end`: nothing goes here any more. */
  constructor(channel: AmqpChannel, on: { readonly progress: () => void; readonly end: () => void }) {
    this.#channel = channel
    this.#onEnd = on.end
    channel.on('ack', ({ deliveryTag, multiple }) => {
      this.#window.acknowledged(deliveryTag, multiple)
      on.progress()
    })
    channel.on('nack', ({ deliveryTag, multiple }) => {
      this.#window.rejected(deliveryTag, multiple, new RabbitMqError('transient', 'a queue did not take the message'))
      on.progress()
    })
    channel.on('return', message => this.#returned(message))
    channel.on('drain', () => {
      this.#isFull = false
      on.progress()
    })
    channel.on('error', error => (this.#closeError = error))
    channel.on('handler-error', error => (this.#closeError = error))
    channel.on('close', () => this.#ended())
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get unconfirmed(): number {
    return this.#window.size
  }

  /** The socket takes no more for now; `progress` follows. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** @throws Error when nothing was sent: the message cannot be encoded, or the channel is gone */
  send(sending: Sending, { exchange, routingKey }: Address, options: Options.Publish): void {
    const index = sending.next
    const { body } = sending.batch[index]!
    const content = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    try {
      // Without a callback: the window keeps count by tag.
      this.#isFull = !this.#channel.publish(exchange, routingKey, content, options)
    } catch (error) {
      // It says so later, or did before anybody listened.
      if (isClosedChannel(error)) this.#ended()
      throw error
    }
    sending.next++
    this.#window.add(sending, index)
  }

  #ended(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#window.lost(lostChannel(this.#closeError))
    this.#onEnd()
  }

  /** It comes before the confirm of the same message, with everything but its tag. */
  #returned({ fields, properties }: Message): void {
    const { replyText, replyCode } = fields as typeof fields & {
      readonly replyText?: string
      readonly replyCode?: number
    }
    const why = `no queue takes it (${replyCode ?? 312} ${replyText ?? 'NO_ROUTE'}): exchange ${fields.exchange} has no binding for ${fields.routingKey}`
    const id: unknown = properties.messageId
    this.#window.returned(
      (sending, index) => {
        const { headers, topic } = sending.batch[index]!
        return headers['ce-id'] === id && fields.routingKey.startsWith(topic)
      },
      new RabbitMqError('refused', why),
    )
  }
}

function lostChannel(cause: unknown): RabbitMqError {
  // Whoever caused it is found when everything is sent again.
  return new RabbitMqError('transient', 'the channel was closed before the broker confirmed the message', cause)
}
