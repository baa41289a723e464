import kafkajs from 'kafkajs'
import type { GroupMember, KafkaConnection, KafkaNode, Place } from '../../src/client/kafka-client.ts'
import { kafkaError } from '../../src/client/kafka-error.ts'
import { assign } from '../../src/group/assignor.ts'
import { decodeSubscription, encodeAssignment, encodeSubscription } from '../../src/group/group-protocol.ts'
import { createKafkajsClient } from '../../src/kafkajs/kafkajs-client.ts'
import { untilAsked } from './probe.ts'

const TIMEOUT_MS = 30_000
/** Later than any that a group has: of two that claim a partition this one is believed. */
const LATEST_GENERATION = 2_147_483_647

interface Group {
  readonly group: string
  readonly members: readonly string[]
}

/** Has the broker forget every member of every group on this topic, as after a pause that was longer than the session. */
export async function loseMembers(brokers: readonly string[], topic: string): Promise<void> {
  await withConnection(brokers, async connection => {
    for (const { group, members } of await groupsOn(brokers, topic)) {
      const node = await coordinatorOf(connection, group)
      for (const memberId of members) await connection.leaveGroup(node, { group, memberId }, TIMEOUT_MS)
    }
  })
}

/** A member that gets every partition of the topic, commits nothing, and is never heard of again. */
export async function loseOneBeforeItCommits(
  brokers: readonly string[],
  group: string,
  topic: string,
  sessionTimeoutMs = 1500,
): Promise<void> {
  await withConnection(brokers, async connection => {
    const node = await coordinatorOf(connection, group)
    await joinOnce(connection, node, { group, topic, owned: [], sessionTimeoutMs })
  })
}

/** Takes every partition of the topic from its owner in order, and gives all of it back. */
export async function takePartitions(brokers: readonly string[], topic: string): Promise<void> {
  await withConnection(brokers, async connection => {
    for (const { group } of await groupsOn(brokers, topic)) await takeFrom(connection, group, topic)
  })
}

/** A member that says it holds everything: the owners let go, finish what runs, and join again. */
async function takeFrom(connection: KafkaConnection, group: string, topic: string): Promise<void> {
  const node = await coordinatorOf(connection, group)
  const { topics } = await connection.metadata([topic], TIMEOUT_MS)
  const count = topics.get(topic)!.partitions.length
  const owned = Array.from({ length: count }, (_, partition) => ({ topic, partition }))
  const member = await joinOnce(connection, node, { group, topic, owned, sessionTimeoutMs: TIMEOUT_MS })
  // They come back when they have let go.
  while ((await connection.heartbeat(node, member, TIMEOUT_MS)) !== kafkaError.rebalanceInProgress) {
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  await connection.leaveGroup(node, member, TIMEOUT_MS)
}

async function joinOnce(
  connection: KafkaConnection,
  node: KafkaNode,
  one: { group: string; topic: string; owned: readonly Place[]; sessionTimeoutMs: number },
): Promise<GroupMember> {
  const { group, topic, owned, sessionTimeoutMs } = one
  const metadata = encodeSubscription({ topics: [topic], owned, generation: LATEST_GENERATION })
  const request = { group, sessionTimeoutMs, rebalanceTimeoutMs: TIMEOUT_MS }
  const protocols = [{ name: 'mekong-cooperative', metadata }]
  // Before it has loaded what it keeps, a coordinator refuses everybody.
  const memberId = await untilAsked('the group gives an id', async () => {
    const first = await connection.joinGroup(node, { ...request, memberId: '', protocols }, TIMEOUT_MS)
    return first.errorCode === kafkaError.memberIdRequired && first.memberId
  })
  const joined = await connection.joinGroup(node, { ...request, memberId, protocols }, TIMEOUT_MS)
  const members = new Map(joined.members.map(({ memberId: id, metadata: bytes }) => [id, decodeSubscription(bytes)]))
  const { topics } = await connection.metadata([topic], TIMEOUT_MS)
  const partitions = new Map([[topic, topics.get(topic)!.partitions.length]])
  const shares = joined.leaderId === memberId ? assign({ members, partitions }) : new Map<string, readonly Place[]>()
  const assignments = Array.from(shares, ([id, places]) => ({ memberId: id, assignment: encodeAssignment(places) }))
  const member = { group, memberId, generation: joined.generation }
  await connection.syncGroup(node, { ...member, assignments }, TIMEOUT_MS)
  return member
}

async function groupsOn(brokers: readonly string[], topic: string): Promise<readonly Group[]> {
  const admin = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const { groups } = await admin.listGroups()
    const described = await admin.describeGroups(groups.map(({ groupId }) => groupId))
    return described.groups
      .map(({ groupId, members }) => ({
        group: groupId,
        members: members
          .filter(
            ({ memberMetadata }) =>
              memberMetadata.length > 0 && decodeSubscription(memberMetadata).topics.includes(topic),
          )
          .map(({ memberId }) => memberId),
      }))
      .filter(({ members }) => members.length > 0)
  } finally {
    await admin.disconnect()
  }
}

/** The first group of a cluster waits for the topic that groups are kept in. */
async function coordinatorOf(connection: KafkaConnection, group: string): Promise<KafkaNode> {
  return untilAsked(`group ${group} has a coordinator`, async () => {
    return (await connection.coordinator(group, TIMEOUT_MS)).node
  })
}

async function withConnection(
  brokers: readonly string[],
  work: (connection: KafkaConnection) => Promise<void>,
): Promise<void> {
  const seeds = brokers.map(broker => ({ host: broker.split(':')[0]!, port: Number(broker.split(':')[1]) }))
  const settings = { seeds, clientId: 'test', connectTimeoutMs: 3000, tls: undefined, sasl: undefined }
  const connection = createKafkajsClient(settings).connect()
  try {
    await work(connection)
  } finally {
    await connection.close()
  }
}
