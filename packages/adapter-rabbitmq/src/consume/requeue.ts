import type { ChannelModel, ConfirmChannel, Options } from 'amqplib'
import type { SupervisedConnection } from '../connection/supervised-connection.ts'
import { RabbitMqError } from '../rabbitmq-failures.ts'
import { copyHeader } from '../rabbitmq-message.ts'

/** Sends single messages past the bus, on a confirm channel of their own: copies that come back later, ends of generations. */
export class Requeue {
  readonly #connection: SupervisedConnection
  readonly #patienceMs: number
  #open: { readonly model: ChannelModel; readonly channel: Promise<ConfirmChannel> } | undefined
  readonly #returned = new Set<unknown>()
  #sent = 0

  constructor(connection: SupervisedConnection, patienceMs: number) {
    this.#connection = connection
    this.#patienceMs = patienceMs
  }

  /** Resolves when the broker has stored it; rejects when it may not have. */
  async send(exchange: string, routingKey: string, content: Buffer, options: Options.Publish): Promise<void> {
    const channel = await this.#channel()
    const number = ++this.#sent
    const headers: unknown = { ...options.headers, [copyHeader]: number }
    await new Promise<void>((resolve, reject) => {
      channel.publish(exchange, routingKey, content, { ...options, headers }, (error: unknown) => {
        if (this.#returned.delete(number)) reject(new RabbitMqError('refused', `nothing is bound to ${routingKey}`))
        else if (error === null || error === undefined) resolve()
        else reject(new RabbitMqError('transient', 'the broker did not confirm a message', error))
      })
    })
  }

  async #channel(): Promise<ConfirmChannel> {
    const model = await this.#connection.opened(this.#patienceMs)
    if (this.#open?.model !== model) this.#open = { model, channel: this.#openOn(model) }
    return this.#open.channel
  }

  async #openOn(model: ChannelModel): Promise<ConfirmChannel> {
    try {
      const channel = await model.createConfirmChannel()
      channel.on('error', () => {})
      channel.on('handler-error', () => {})
      channel.on('return', ({ properties }) => this.#returned.add(properties.headers?.[copyHeader]))
      channel.on('close', () => (this.#open = undefined))
      return channel
    } catch (error) {
      this.#open = undefined
      throw error
    }
  }
}
