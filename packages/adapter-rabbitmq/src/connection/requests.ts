import type { Channel, ChannelModel } from 'amqplib'
import { isClosedChannel, isNotFound } from '../rabbitmq-failures.ts'
import type { SupervisedConnection } from './supervised-connection.ts'

/**
 * Asks the broker one thing after the other on a channel of its own. The broker answers a no by closing the channel: the
 * next request opens another one.
 */
export class Requests {
  readonly #connection: SupervisedConnection
  readonly #patienceMs: number
  #open: { readonly model: ChannelModel; readonly channel: Channel } | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(connection: SupervisedConnection, patienceMs: number) {
    this.#connection = connection
    this.#patienceMs = patienceMs
  }

  /** Runs when everything asked for before is answered. Rejects with the broker's no. */
  ask<T>(what: (channel: Channel) => Promise<T>): Promise<T> {
    const answer = this.#last.then(() => this.#ask(what))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  /** False where the broker says that there is no such thing. */
  async exists(what: (channel: Channel) => Promise<unknown>): Promise<boolean> {
    try {
      await this.ask(what)
      return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  }

  hasQueue(name: string): Promise<boolean> {
    return this.exists(channel => channel.checkQueue(name))
  }

  hasExchange(name: string): Promise<boolean> {
    return this.exists(channel => channel.checkExchange(name))
  }

  async #ask<T>(what: (channel: Channel) => Promise<T>): Promise<T> {
    const channel = await this.#channel()
    try {
      return await what(channel)
    } catch (error) {
      // It may have ended before anybody listened.
      if (isClosedChannel(error)) this.#open = undefined
      throw error
    }
  }

  async #channel(): Promise<Channel> {
    const model = await this.#connection.opened(this.#patienceMs)
    if (this.#open?.model === model) return this.#open.channel
    const channel = await model.createChannel()
    // Without a listener an error of a channel ends its connection; what was asked for rejects with it.
    channel.on('error', () => {})
    channel.on('handler-error', () => {})
    channel.on('close', () => {
      if (this.#open?.channel === channel) this.#open = undefined
    })
    this.#open = { model, channel }
    return channel
  }
}
