import type {
  Consumer,
  ConsumerStatus,
  Incoming,
  Outgoing,
  Partition,
  Sink,
  SubscribeOptions,
} from '../../src/driver/driver-contract.ts'
import type { MemoryDriver } from '../../src/memory/index.ts'

/** A consumer with nothing of the bus around it: records what it hears and wakes whoever waits for it. */
export class Probe implements Sink {
  readonly messagesSeen: Incoming[] = []
  readonly partitions: Set<Partition> = new Set()
  readonly revocations: ('drain' | 'lost')[] = []
  readonly dead: Incoming[] = []
  readonly statuses: ConsumerStatus['is'][] = []
  consumer!: Consumer
  onAssigned: (partition: Partition) => Promise<void> = async () => {}
  onRevoked: (partition: Partition, how: 'drain' | 'lost') => Promise<void> = async () => {}
  onMessages: (batch: readonly Incoming[]) => void = () => {}
  readonly #waiting = new Set<() => void>()

  static async join(
    driver: MemoryDriver,
    options: Partial<SubscribeOptions> & { topic?: string } = {},
  ): Promise<Probe> {
    const probe = new Probe()
    await probe.join(driver, options)
    return probe
  }

  async join(
    driver: MemoryDriver,
    { topic = 'orders', ...options }: Partial<SubscribeOptions> & { topic?: string } = {},
  ): Promise<void> {
    this.consumer = await driver.subscribe(
      {
        group: 'inventory',
        member: 'one',
        topics: [{ topic, ordered: true }],
        window: 1000,
        from: 'latest',
        ...options,
      },
      this,
    )
  }

  /** Resolves when the condition holds, asked after everything that is heard. The test's own deadline ends a vain wait. */
  until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const check = (): void => {
        if (!condition()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }

  async received(count: number): Promise<readonly Incoming[]> {
    await this.until(() => this.messagesSeen.length >= count)
    return this.messagesSeen
  }

  get texts(): readonly string[] {
    return this.messagesSeen.map(textOf)
  }

  acknowledge(...batch: readonly Incoming[]): void {
    this.consumer.settle(batch, { is: 'acknowledge', durable: true })
  }

  async assigned(partition: Partition): Promise<void> {
    await this.onAssigned(partition)
    this.partitions.add(partition)
    this.#heard()
  }

  async revoked(partition: Partition, how: 'drain' | 'lost'): Promise<void> {
    this.revocations.push(how)
    this.#heard()
    await this.onRevoked(partition, how)
    this.partitions.delete(partition)
    this.#heard()
  }

  messages(batch: readonly Incoming[]): void {
    this.messagesSeen.push(...batch)
    this.onMessages(batch)
    this.#heard()
  }

  lost(batch: readonly Incoming[]): void {
    this.dead.push(...batch)
    this.#heard()
  }

  status(status: ConsumerStatus): void {
    this.statuses.push(status.is)
    this.#heard()
  }

  #heard(): void {
    for (const check of this.#waiting) check()
  }
}

export function outgoing(text: string, options: Partial<Outgoing> = {}): Outgoing {
  return {
    topic: 'orders',
    key: undefined,
    headers: { 'ce-id': text },
    body: new TextEncoder().encode(text),
    delayMs: 0,
    until: 'stored',
    ...options,
  }
}

export function textOf(message: Incoming): string {
  return new TextDecoder().decode(message.body)
}

export async function publish(driver: MemoryDriver, ...messages: readonly Outgoing[]): Promise<readonly string[]> {
  return (await driver.publish(messages, 1000)).map(fate => fate.is)
}

/** Turns of the event loop in which everything that is ready to be delivered is delivered. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}
