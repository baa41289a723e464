import { startRabbitMq } from '@mekong/stack'
import { driverCases, runCase, seedOfRun } from '@mekong/testing/conformance'
import { afterAll, describe, expect, it } from 'vitest'
import { rabbitMqHarness } from './rabbitmq-harness.ts'

// What is kept in a stream is the topic's, not the group's: a live group reads queues and seeks nowhere. The rest of the kit
// runs without, where a replay is refused.
const harness = rabbitMqHarness(await startRabbitMq({ proxied: true }), { replay: () => true })
const { name, cases } = driverCases.find(group => group.name === 'replay')!

afterAll(() => harness.close?.())

describe(`rabbitmq with streams: ${name}`, () => {
  it.each(cases.map(one => [one.name, one] as const))('%s', { timeout: 60_000 }, async (_, one) => {
    expect(await runCase(one, harness, seedOfRun())).toEqual({ is: 'passed' })
  })
})
