import type { CommittedAnswer, CommittedOffset, KafkaConnection, KafkaNode, Place } from '../client/kafka-client.ts'
import { kafkaError, KafkaBrokerError } from '../client/kafka-error.ts'
import { coordinatorOf } from './coordinator.ts'
import { firstError } from './start-positions.ts'

export interface DeclarationsOptions {
  readonly connection: KafkaConnection
  readonly group: string
  readonly requestTimeoutMs: number
}

/**
 * Where a group has been declared to begin with partitions that nobody of it has come to yet. The broker takes no offset from
 * outside while the group has members, or some that it has not given up, so these are the offsets of another group beside it,
 * `<group>.declared`, which never has any members: they outlive whoever declared, and every member finds them.
 *
 * What is written is listed before it is read that there is nothing yet, by everybody. Of two that do so at once either may win:
 * neither is behind what was published once the other was done.
 */
export class Declarations {
  readonly #options: DeclarationsOptions
  readonly #group: string

  constructor(options: DeclarationsOptions) {
    this.#options = options
    this.#group = `${options.group}.declared`
  }

  async read(places: readonly Place[]): Promise<readonly CommittedAnswer[]> {
    const { connection, requestTimeoutMs } = this.#options
    const answers = await connection.fetchOffsets(await this.#coordinator(), this.#group, places, requestTimeoutMs)
    this.#check(firstError(answers))
    return answers
  }

  async write(offsets: readonly CommittedOffset[]): Promise<void> {
    const { connection, requestTimeoutMs } = this.#options
    const outside = { group: this.#group, memberId: '', generation: -1 }
    const errorCodes = await connection.commitOffsets(await this.#coordinator(), outside, offsets, requestTimeoutMs)
    this.#check(errorCodes.find(errorCode => errorCode !== kafkaError.none))
  }

  #coordinator(): Promise<KafkaNode> {
    return coordinatorOf(this.#options.connection, this.#group, this.#options.requestTimeoutMs)
  }

  #check(errorCode: number = kafkaError.none): void {
    if (errorCode !== kafkaError.none) throw new KafkaBrokerError(errorCode, `offsets of group ${this.#group}`)
  }
}
