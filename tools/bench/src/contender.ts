/** What is measured. Each contender does it in the way that its documentation recommends, with the same durability. */
export type Measure =
  /** Publishes in the largest portions that it takes, the next under way before the last are confirmed. */
  | 'publish'
  /** 100 callers at once, each awaiting the confirmation of one event before it publishes its next. */
  | 'publish-singles'
  /** Handles what is stored already, acknowledging each, from the first event until all is handled and acknowledged. */
  | 'consume'

export interface Work {
  /** Of the broker, as Mekong reads it: kafka://…, amqp://… */
  readonly url: string
  /** Of this measurement alone: the name of the topic or queue and of the event type. Letters, digits and dots. */
  readonly topic: string
  /** Who consumes; of this measurement alone. */
  readonly group: string
  readonly messages: number
  /** Of the topic, on brokers that have partitions. */
  readonly partitions: number
}

/** One library, used in a process of its own. */
export interface Contender {
  /** With the version, as the table names it. */
  readonly name: string
  readonly measures: Readonly<Partial<Record<Measure, Prepare>>>
}

/** Connects and declares what the measure needs. Not timed. */
export type Prepare = (work: Work) => Promise<Prepared>

export interface Prepared {
  /**
   * Timed, in wall time and in CPU time of the process; consuming, from the first event on. Resolves when the broker has
   * confirmed all that was published, or has been told that all is handled; rejects when anything failed.
   */
  readonly run: () => Promise<void>
  /** Not timed. */
  readonly close: () => Promise<void>
}
