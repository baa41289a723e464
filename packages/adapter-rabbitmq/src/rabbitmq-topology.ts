import type { Channel, Options } from 'amqplib'
import type { Clock, TopicWish, TopologyDifference, TopologyWish } from '@mekong/core/driver'
import type { Requests } from './connection/requests.ts'
import { delayName, sharedNames, streamName } from './broker-names.ts'
import { bucketCount, routingKeys } from './buckets.ts'
import { declareDelayLadder } from './delay/delay-ladder.ts'
import { delayLevels } from './delay/delay-levels.ts'
import { declareGroup } from './layout/declare-group.ts'
import { isDeclared, readLayout } from './layout/group-layout.ts'
import {
  backstopArguments,
  countInstead,
  orderedQueueArguments,
  streamArguments,
  unclaimedArguments,
  unorderedQueueArguments,
} from './layout/queue-arguments.ts'
import { inequivalenceOf, isPreconditionFailed } from './rabbitmq-failures.ts'

export interface TopologyOptions {
  readonly requests: Requests
  readonly send: (routingKey: string, options: Options.Publish) => Promise<void>
  readonly queues: number
  readonly deliveryLimit: number
  readonly isReplayed: (topic: string) => boolean
  readonly clock: Clock
}

type Group = TopologyWish['groups'][number]
type Difference = TopologyDifference[number]

/** Exchanges, queues and bindings as wished: compared, and created where they are missing. */
export class Topology {
  readonly #options: TopologyOptions

  constructor(options: TopologyOptions) {
    this.#options = options
  }

  async create(wish: TopologyWish): Promise<void> {
    const { requests } = this.#options
    await requests.ask(declareShared)
    if (!(await requests.hasExchange(delayName(delayLevels - 1)))) await requests.ask(declareDelayLadder)
    for (const topic of wish.topics) await this.#createTopic(topic)
    for (const group of wish.groups.filter(hasQueues)) {
      for (const topic of group.topics) await this.#createGroup(topic, group, wish)
    }
  }

  async difference(wish: TopologyWish): Promise<TopologyDifference> {
    const shared = await this.#sharedDifference()
    const found: Difference[] = [...shared]
    for (const topic of wish.topics) found.push(...(await this.#topicDifference(topic)))
    for (const group of wish.groups.filter(hasQueues)) {
      for (const topic of group.topics) found.push(...(await this.#groupDifference(topic, group, wish)))
    }
    return found
  }

  async #createTopic({ name, retentionMs }: TopicWish): Promise<void> {
    await this.#options.requests
      .ask(async channel => {
        await channel.assertExchange(name, 'direct', topicExchangeOptions)
        await channel.bindExchange(name, sharedNames.due, `${name}.*`)
        if (!this.#options.isReplayed(name)) return
        await channel.assertQueue(streamName(name), { arguments: streamArguments(retentionMs) })
        for (const key of routingKeys(name)) await channel.bindQueue(streamName(name), name, key)
      })
      .catch(unlessDifferent)
  }

  async #createGroup(topic: string, group: Group, wish: TopologyWish): Promise<void> {
    const { queues, deliveryLimit } = this.#options
    const { ordered, partitions } = topicWish(wish, topic)
    const groupWish = { topic, group: group.name, ordered, queues: partitions, defaultQueues: queues, deliveryLimit }
    await declareGroup(this.#options, groupWish).catch(unlessDifferent)
  }

  async #sharedDifference(): Promise<readonly Difference[]> {
    const { requests } = this.#options
    const found: Difference[] = []
    for (const name of [...Object.values(sharedNames), delayName(delayLevels - 1)]) {
      if (!(await requests.hasExchange(name)))
        found.push({ what: `exchange ${name}`, wished: 'exists', found: 'missing' })
    }
    return found
  }

  async #topicDifference({ name, retentionMs }: TopicWish): Promise<readonly Difference[]> {
    const what = `topic ${name}`
    const differences = await this.#compare(what, {
      exists: channel => channel.checkExchange(name),
      asWished: channel => channel.assertExchange(name, 'direct', topicExchangeOptions),
    })
    if (!this.#options.isReplayed(name)) return differences
    const stream = streamName(name)
    const streamDifferences = await this.#compare(`${what}: replay`, {
      exists: channel => channel.checkQueue(stream),
      asWished: channel => channel.assertQueue(stream, { arguments: streamArguments(retentionMs) }),
    })
    return [...differences, ...streamDifferences]
  }

  async #groupDifference(topic: string, group: Group, wish: TopologyWish): Promise<readonly Difference[]> {
    const { requests, deliveryLimit } = this.#options
    const { ordered, partitions } = topicWish(wish, topic)
    const what = `group ${group.name} on ${topic}`
    const layout = await readLayout(requests, topic, group.name)
    if (!isDeclared(layout)) return [{ what, wished: 'takes part', found: 'unknown' }]
    const current = layout.generations.at(-1)
    if (current === undefined) {
      if (ordered) return [{ what, wished: 'keeps order by key', found: 'one queue without order' }]
      return this.#compareQueue(layout.unordered!, unorderedQueueArguments(deliveryLimit))
    }
    const count = current.queues.length
    if (partitions !== undefined && partitions !== count) {
      return [
        {
          what: `${what}: queues`,
          wished: String(partitions),
          found: `${count}${changing(layout.generations.length)}`,
        },
      ]
    }
    const [first = ''] = current.queues
    return this.#compareQueue(first, orderedQueueArguments(deliveryLimit, count), error => {
      const declared = countInstead(error)
      if (declared === undefined) return undefined
      return { what: `${what}: queues`, wished: String(declared), found: `${count}: the others are missing` }
    })
  }

  #compareQueue(
    name: string,
    wished: Readonly<Record<string, unknown>>,
    explain?: (error: unknown) => Difference | undefined,
  ): Promise<readonly Difference[]> {
    return this.#compare(`queue ${name}`, {
      exists: channel => channel.checkQueue(name),
      asWished: channel => channel.assertQueue(name, { arguments: wished }),
      explain,
    })
  }

  /** Declaring what is there changes nothing and compares all that counts. */
  async #compare(
    what: string,
    ask: {
      readonly exists: (channel: Channel) => Promise<unknown>
      readonly asWished: (channel: Channel) => Promise<unknown>
      readonly explain?: ((error: unknown) => Difference | undefined) | undefined
    },
  ): Promise<readonly Difference[]> {
    const { requests } = this.#options
    try {
      if (!(await requests.exists(ask.exists))) return [{ what, wished: 'exists', found: 'missing' }]
      await requests.ask(ask.asWished)
      return []
    } catch (error) {
      if (isPreconditionFailed(error)) return [ask.explain?.(error) ?? differenceOf(what, error)]
      throw error
    }
  }
}

/** A replay reads the stream of its topic: it has no queues. */
function hasQueues({ isReplay }: Group): boolean {
  return isReplay !== true
}

function topicWish({ topics }: TopologyWish, name: string): Pick<TopicWish, 'ordered' | 'partitions'> {
  return topics.find(topic => topic.name === name) ?? { ordered: false, partitions: undefined }
}

const topicExchangeOptions: Options.AssertExchange = {
  alternateExchange: sharedNames.unclaimed,
  // For people: the name of the alternate exchange is what the broker compares.
  arguments: { 'x-mekong-buckets': bucketCount },
}

async function declareShared(channel: Channel): Promise<void> {
  const { unclaimed, backstop } = sharedNames
  await channel.assertExchange(unclaimed, 'fanout')
  await channel.assertQueue(unclaimed, { arguments: unclaimedArguments })
  await channel.bindQueue(unclaimed, unclaimed, '')
  await channel.assertExchange(backstop, 'fanout')
  await channel.assertQueue(backstop, { arguments: backstopArguments })
  await channel.bindQueue(backstop, backstop, '')
}

/** What is there and cannot be changed is told as a difference afterwards. */
function unlessDifferent(error: unknown): void {
  if (!isPreconditionFailed(error)) throw error
}

function differenceOf(what: string, error: unknown): Difference {
  const found = inequivalenceOf(error)
  if (found !== undefined) return { what: `${what}: ${found.argument}`, wished: found.wished, found: found.found }
  return { what, wished: 'as declared', found: error instanceof Error ? error.message : '' }
}

function changing(generations: number): string {
  return generations > 1 ? ', a change to that is under way' : ''
}
