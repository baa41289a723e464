/** What is measured. Each contender does it in the way that its documentation recommends, with the same durability. */
export type Measure =
  /** Publishes in the largest portions that it takes, the next portions under way before the last are confirmed. */
  | 'publish'
  /** 100 callers at once, each awaiting the confirmation of one event before it publishes its next. */
  | 'publish-singles'
  /** Handles what is stored already, acknowledging each, until all is handled and acknowledged. */
  | 'consume'

export interface Work {
  /** Of the broker, as Mekong reads it: kafka://…, amqp://… */
  readonly url: string
  /** Of this measurement alone: nothing of this name is at the broker yet. */
  readonly topic: string
  readonly messages: number
  readonly partitions: number
  readonly durable: true
}

/** One library, in a process of its own. */
export interface Contender {
  /** With the version, as the table names it. */
  readonly name: string
  readonly measures: Readonly<Partial<Record<Measure, Prepare>>>
}

/** Connects, declares and fills what the measure needs. Not timed. */
export type Prepare = (work: Work) => Promise<Prepared>

export interface Prepared {
  /** Timed, in wall time and in CPU time of the process. */
  readonly run: () => Promise<void>
  /** Not timed. Resolves with how many messages the broker has stored, or the handlers have seen, by an own count. */
  readonly verify: () => Promise<number>
  readonly close: () => Promise<void>
}

/** The event of all contenders: about 1 KB as JSON, made anew for each publish, as an application does. */
export function payload(index: number): Payload {
  return { id: `order-${index}`, key: `key-${index % 1000}`, total: index, note }
}

export interface Payload {
  readonly id: string
  readonly key: string
  readonly total: number
  readonly note: string
}

const note = 'x'.repeat(950)

/** How many callers publish at once where singles are measured. */
export const callers = 100

/** `callers` loops, each publishing its next event when its last is confirmed. */
export async function publishSingly(messages: number, publish: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const call = async (): Promise<void> => {
    while (next < messages) await publish(next++)
  }
  await Promise.all(Array.from({ length: callers }, call))
}
