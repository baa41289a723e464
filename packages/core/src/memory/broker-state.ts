import type { Capabilities } from '../driver/driver-contract.ts'
import { DueQueue } from './due-queue.ts'
import type { Hand } from './hand.ts'
import { seededRandom } from './hostility.ts'
import { capabilitiesOf } from './memory-capabilities.ts'
import type { ResolvedMemoryBrokerOptions } from './memory-broker-options.ts'
import { MemoryBrokerError } from './memory-failures.ts'
import { Group } from './memory-group.ts'
import type { Delivery } from './memory-message.ts'
import { MemoryTopic } from './memory-topic.ts'

const MOST_VIOLATIONS = 100

/** What the buses of one memory broker share. */
export class BrokerState {
  readonly options: ResolvedMemoryBrokerOptions
  readonly capabilities: Capabilities
  readonly due: DueQueue
  readonly topics: Map<string, MemoryTopic> = new Map()
  readonly groups: Map<string, Group> = new Map()
  readonly violations: string[] = []
  /** Called when the connection is lost. */
  readonly onDisconnect: Set<() => void> = new Set()
  connected = true
  readonly #random: () => number

  constructor(options: ResolvedMemoryBrokerOptions) {
    this.options = options
    this.capabilities = capabilitiesOf(options)
    this.due = new DueQueue(options.clock)
    this.#random = seededRandom(options.hostility.seed)
  }

  /** @throws MemoryBrokerError illegal, refused */
  topic(name: string): MemoryTopic {
    const topic = this.topics.get(name)
    if (topic !== undefined) return topic
    if (this.options.createTopics === 'on-use') return this.createTopic(name)
    throw new MemoryBrokerError('refused', `topic ${name} does not exist`)
  }

  /** @throws MemoryBrokerError illegal */
  createTopic(name: string, partitions?: number, retentionMs?: number): MemoryTopic {
    if (!this.capabilities.topicName.test(name)) throw new MemoryBrokerError('illegal', 'illegal topic name')
    const { maxMessages, maxBytes } = this.options
    const retention = { maxMessages, maxBytes, retentionMs: retentionMs ?? this.options.retentionMs }
    const topic = new MemoryTopic(name, partitions ?? this.options.partitions, retention)
    this.topics.set(name, topic)
    return topic
  }

  group(name: string): Group {
    let group = this.groups.get(name)
    if (group === undefined) this.groups.set(name, (group = new Group(this, name)))
    return group
  }

  disconnect(): void {
    if (!this.connected) return
    this.connected = false
    const error = new MemoryBrokerError('transient', 'connection lost')
    for (const group of this.groups.values()) group.disconnect(error)
    for (const end of this.onDisconnect) end()
  }

  reconnect(): void {
    if (this.connected) return
    this.connected = true
    for (const group of this.groups.values()) group.reconnect()
  }

  disconnectForAWhile(): void {
    this.disconnect()
    this.due.after(this.#random() * this.options.hostility.awayMs, () => this.reconnect())
  }

  membersChanged(): void {
    this.due.isAwaited = [...this.groups.values()].some(group => group.members.length > 0)
  }

  /** The groups that know a topic. */
  groupsOf(topic: string): readonly string[] {
    return [...this.groups.values()].filter(group => group.knows(topic)).map(group => group.name)
  }

  /** Something the contract between bus and driver forbids. */
  violated(what: string): void {
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push(what)
  }

  permittedDelay(afterMs: number): number {
    const { maxDelayMs } = this.capabilities.redeliver
    if (afterMs > maxDelayMs)
      this.violated(`asked for redelivery after ${afterMs} ms, at most ${maxDelayMs} ms are declared`)
    return Math.min(afterMs, maxDelayMs)
  }

  chance(probability: number): boolean {
    return probability > 0 && this.#random() < probability
  }

  oneOf<T>(choices: readonly T[]): T | undefined {
    return choices[Math.floor(this.#random() * choices.length)]
  }

  /** From 1 to `most`, the small ones more often. */
  readonly anyUpTo = (most: number): number => 1 + Math.floor(this.#random() ** 3 * most)

  shuffle(list: unknown[]): void {
    for (let end = list.length - 1; end > 0; end--) {
      const other = Math.floor(this.#random() * (end + 1))
      const moved = list[end]
      list[end] = list[other]
      list[other] = moved
    }
  }

  /** At some time soon. */
  later(run: () => void): void {
    this.due.after(this.#random() * this.options.hostility.withinMs, run)
  }

  /** Does to a batch that was just delivered what the hostility asks for. */
  harass(hand: Hand, batch: readonly Delivery[]): void {
    const { lost, revoke } = this.options.hostility
    if (lost === 0 && revoke === 0) return
    for (const delivery of batch) if (this.chance(lost)) this.later(() => hand.cursor.lose(delivery))
    if (batch.length === 0 || !this.chance(revoke)) return
    const how = this.chance(0.5) ? 'drain' : 'lost'
    const { topic, id } = hand.partition
    this.later(() => void this.groups.get(hand.cursor.group)?.renew(topic, how, id))
  }
}
