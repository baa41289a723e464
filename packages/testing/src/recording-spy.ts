import {
  systemClock,
  type Clock,
  type Contract,
  type EventData,
  type EventType,
  type HandlerContext,
  type Middleware,
  type PreparedEvent,
  type UntypedContract,
} from '@mekong/core'

export interface RecordingSpyOptions {
  /** Of handled and of published events each; beyond it the oldest are forgotten. @default 10,000 */
  readonly limit?: number | undefined
  /** How long `received` and `sent` wait, in milliseconds. @default 5,000 */
  readonly timeoutMs?: number | undefined
  /** What `timeoutMs` is measured with. @default the system clock */
  readonly clock?: Clock | undefined
}

/** One handler that finished without an error. */
export interface ReceivedEvent<Data = unknown> {
  readonly type: string
  readonly data: Data
  readonly context: HandlerContext
}

/** One event that the broker confirmed. */
export interface SentEvent<Data = unknown> {
  readonly type: string
  /** Parsed where the content is JSON, else the bytes. */
  readonly data: Data
  readonly event: PreparedEvent
}

/** Remembers what a bus published and handled. Give its `middleware` to the bus, last in the list. */
export interface RecordingSpy<C extends Contract = UntypedContract> {
  readonly middleware: Middleware
  /** In the order in which handlers finished. */
  readonly received: Received<C>
  /** In the order in which the broker confirmed. */
  readonly sent: Sent<C>
}

export interface Received<C extends Contract> {
  /**
   * The first handled event of the type that matches, of the past or the future.
   * @throws Error after `timeoutMs`, naming the types that were handled instead
   */
  <T extends EventType<C>>(
    type: T,
    where?: (data: EventData<C, T>, context: HandlerContext) => boolean,
  ): Promise<ReceivedEvent<EventData<C, T>>>
  readonly all: readonly ReceivedEvent[]
  /** Those of one subscription. */
  by(subscription: string): readonly ReceivedEvent[]
}

export interface Sent<C extends Contract> {
  /** As `received`, of confirmed publishes. */
  <T extends EventType<C>>(
    type: T,
    where?: (data: EventData<C, T>, event: PreparedEvent) => boolean,
  ): Promise<SentEvent<EventData<C, T>>>
  readonly all: readonly SentEvent[]
}

export function recordingSpy<C extends Contract = UntypedContract>(options: RecordingSpyOptions = {}): RecordingSpy<C> {
  const received = new Recording<ReceivedEvent>('handled', options)
  const sent = new Recording<SentEvent>('published', options)
  return {
    middleware: {
      publish: async (event, next) => {
        const receipt = await next(event)
        sent.add({ type: event.type, data: dataOf(event), event })
        return receipt
      },
      handle: async (event, context, next) => {
        await next()
        received.add({ type: context.type, data: event, context })
      },
    },
    received: Object.assign(
      (type: string, where: (data: never, context: HandlerContext) => boolean = () => true) =>
        received.find(type, one => where(one.data as never, one.context)),
      {
        all: received.entries,
        by: (subscription: string) => received.entries.filter(one => one.context.subscription === subscription),
      },
    ) as Received<C>,
    sent: Object.assign(
      (type: string, where: (data: never, event: PreparedEvent) => boolean = () => true) =>
        sent.find(type, one => where(one.data as never, one.event)),
      { all: sent.entries },
    ) as Sent<C>,
  }
}

class Recording<Entry extends { readonly type: string }> {
  readonly entries: Entry[] = []
  readonly #waiting = new Set<(entry: Entry) => void>()
  readonly #verb: string
  readonly #limit: number
  readonly #timeoutMs: number
  readonly #clock: Clock

  constructor(verb: string, options: RecordingSpyOptions) {
    this.#verb = verb
    this.#limit = options.limit ?? 10_000
    this.#timeoutMs = options.timeoutMs ?? 5000
    this.#clock = options.clock ?? systemClock
  }

  add(entry: Entry): void {
    this.entries.push(entry)
    if (this.entries.length > this.#limit) this.entries.shift()
    for (const offer of this.#waiting) offer(entry)
  }

  find(type: string, matches: (entry: Entry) => boolean): Promise<Entry> {
    const isWanted = (entry: Entry): boolean => entry.type === type && matches(entry)
    const found = this.entries.find(isWanted)
    return found === undefined ? this.#wait(type, isWanted) : Promise.resolve(found)
  }

  #wait(type: string, isWanted: (entry: Entry) => boolean): Promise<Entry> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        cancel()
        this.#waiting.delete(offer)
      }
      const offer = (entry: Entry): void => {
        try {
          if (!isWanted(entry)) return
          resolve(entry)
        } catch (error) {
          reject(error)
        }
        stop()
      }
      const cancel = this.#clock.after(this.#timeoutMs, () => {
        stop()
        reject(new Error(`no matching '${type}' was ${this.#verb} within ${this.#timeoutMs} ms; ${this.#seen()}`))
      })
      this.#waiting.add(offer)
    })
  }

  #seen(): string {
    if (this.entries.length === 0) return `nothing was ${this.#verb}`
    const counts = new Map<string, number>()
    for (const { type } of this.entries) counts.set(type, (counts.get(type) ?? 0) + 1)
    return `${this.#verb}: ${[...counts].map(([type, count]) => `${count} × ${type}`).join(', ')}`
  }
}

function dataOf(event: PreparedEvent): unknown {
  const type = event.headers['content-type'] ?? 'application/json'
  return /[/+]json\b/.test(type) ? JSON.parse(new TextDecoder().decode(event.body)) : event.body
}
