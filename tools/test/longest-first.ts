import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take longer than some twenty seconds, the longest first. One of them that is begun last is all that still runs,
 * on one of two cores; and vitest goes by the sizes of files where it has no record of their durations, as in a fresh clone.
 */
export const longest: readonly string[] = [
  'examples/ecommerce/test/processes/kill-kafka.fault.test.ts',
  'examples/ecommerce/test/processes/kill-rabbitmq.fault.test.ts',
  'tools/faults/test/kafka.fault.test.ts',
  'tools/faults/test/kafka-platformatic.fault.test.ts',
  'tools/faults/test/rabbitmq.fault.test.ts',
  'packages/adapter-rabbitmq/test/rabbitmq.fault.test.ts',
  'tools/stack/test/kafka.fault.test.ts',
  'packages/adapter-kafka/test/kafka-outages.fault.test.ts',
  'packages/adapter-kafka/test/kafka-client.fault.test.ts',
  'tools/stack/test/rabbitmq.fault.test.ts',
  'packages/outbox/test/relays.fault.test.ts',

  'packages/adapter-rabbitmq/test/rabbitmq.conformance.test.ts',
  'packages/adapter-kafka/test/kafka.conformance.test.ts',
  'packages/adapter-kafka/test/kafka-platformatic.conformance.test.ts',
  'packages/core/test/memory-vices.conformance.test.ts',
  'packages/core/test/memory.conformance.test.ts',
  'examples/ecommerce/test/eight-days.integration.test.ts',
  'examples/ecommerce/test/run-shop.integration.test.ts',
  'packages/postgres/test/stores.conformance.test.ts',
  'packages/redis/test/redis-idempotency.integration.test.ts',
  'packages/adapter-rabbitmq/test/generations.integration.test.ts',
  'packages/adapter-kafka/test/consuming.integration.test.ts',
  'tools/test/run-tests.integration.test.ts',
]

/** Runs the groups of `vitest.config.ts` one after the other, and the longest files of each group first. */
export class LongestFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- a sequencer's, which makes a new array
    const sorted = await super.sort(specifications)
    return sorted.toSorted((a, b) => groupOf(a) - groupOf(b) || placeOf(a) - placeOf(b))
  }
}

function groupOf({ project }: TestSpecification): number {
  return project.config.sequence.groupOrder
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = longest.findIndex(file => moduleId.endsWith(`/${file}`))
  return place === -1 ? longest.length : place
}
