import type { TopologyDifference, TopologyWish, TopicWish } from '../driver/driver-contract.ts'
import type { BrokerState } from './broker-state.ts'

/** Creates what is wished for and is not there; a topic that is there keeps its number of partitions. */
export function createTopology(broker: BrokerState, wish: TopologyWish): void {
  for (const { name, partitions, retentionMs } of wish.topics) {
    const topic = broker.topics.get(name)
    if (topic === undefined) broker.createTopic(name, partitions, retentionMs)
    else if (retentionMs !== undefined) topic.retentionMs = retentionMs
  }
  for (const { name, topics } of wish.groups) for (const topic of topics) broker.group(name).know(topic)
}

export function topologyDifference(broker: BrokerState, wish: TopologyWish): TopologyDifference {
  const topics = wish.topics.flatMap(topic => topicDifference(broker, topic))
  const groups = wish.groups.flatMap(({ name, topics }) =>
    topics
      .filter(topic => broker.groups.get(name)?.knows(topic) !== true)
      .map(topic => ({ what: `group ${name}`, wished: `takes part in ${topic}`, found: 'unknown' })),
  )
  return [...topics, ...groups]
}

function topicDifference(broker: BrokerState, wish: TopicWish): TopologyDifference {
  const topic = broker.topics.get(wish.name)
  const what = `topic ${wish.name}`
  if (topic === undefined) return [{ what, wished: 'exists', found: 'missing' }]
  return [
    compare(`${what}: partitions`, wish.partitions, topic.logs.length),
    compare(`${what}: retentionMs`, wish.retentionMs, topic.retentionMs),
  ].flat()
}

function compare(what: string, wished: number | undefined, found: number): TopologyDifference {
  return wished === undefined || wished === found ? [] : [{ what, wished: String(wished), found: String(found) }]
}
