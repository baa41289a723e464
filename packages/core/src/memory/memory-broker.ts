import { BrokerState } from './broker-state.ts'
import { resolveMemoryBrokerOptions, type MemoryBrokerOptions } from './memory-broker-options.ts'
import { createMemoryDriver, type MemoryDriver } from './memory-driver.ts'

/**
 * A broker inside this process: the buses that get a driver of it exchange events. What it keeps ends with the process;
 * docs/brokers/memory.md says what it promises. Below `forget`, the methods are faults for tests.
 */
export interface MemoryBroker {
  /** A connection to this broker, one for each bus. */
  driver(): MemoryDriver
  /** Every member of every group that is there now. */
  members(): readonly { readonly group: string; readonly member: string }[]
  /** Messages stored and not settled by a group; zero for a group that nobody knows. */
  lag(group: string): number
  /** Keeps nothing for this group any more; for groups that will not come back. Those with members stay. */
  forget(group: string): void

  /** What buses did that the driver contract forbids, at most the first 100: a test asserts that there is nothing. */
  readonly violations: readonly string[]
  /** A member dies: it is not told, what it has not settled goes to others. */
  kill(member: string): void
  /**
   * Takes every partition of a topic from its owners and gives each to any member of the group, perhaps the same. Resolves
   * when they are taken. With affinity `partition`.
   */
  revoke(topic: string, how: 'drain' | 'lost'): Promise<void>
  /** The handles of everything of a topic that members have in hand die; they hear it and get the messages again. */
  lose(topic: string): void
  /** Everybody loses the connection: publishes fail, members lose what they have, nothing is delivered. */
  disconnect(): void
  reconnect(): void
}

/** @throws MekongError INVALID_CONFIGURATION */
export function createMemoryBroker(options: MemoryBrokerOptions = {}): MemoryBroker {
  return new InProcessBroker(new BrokerState(resolveMemoryBrokerOptions(options)))
}

class InProcessBroker implements MemoryBroker {
  readonly #state: BrokerState

  constructor(state: BrokerState) {
    this.#state = state
  }

  get violations(): readonly string[] {
    return this.#state.violations
  }

  driver(): MemoryDriver {
    return createMemoryDriver(this.#state, this)
  }

  members(): readonly { readonly group: string; readonly member: string }[] {
    return [...this.#state.groups.values()].flatMap(({ name, members }) =>
      members.map(member => ({ group: name, member: member.name })),
    )
  }

  lag(group: string): number {
    return this.#state.groups.get(group)?.lag ?? 0
  }

  forget(name: string): void {
    const group = this.#state.groups.get(name)
    if (group === undefined || group.members.length > 0) return
    group.forget()
    this.#state.groups.delete(name)
  }

  kill(name: string): void {
    for (const group of this.#state.groups.values()) {
      for (const member of group.members) if (member.name === name) member.leave()
    }
  }

  async revoke(topic: string, how: 'drain' | 'lost'): Promise<void> {
    await Promise.all([...this.#state.groups.values()].map(group => group.renew(topic, how)))
  }

  lose(topic: string): void {
    for (const group of this.#state.groups.values()) group.lose(topic)
  }

  disconnect(): void {
    this.#state.disconnect()
  }

  reconnect(): void {
    this.#state.reconnect()
  }
}
