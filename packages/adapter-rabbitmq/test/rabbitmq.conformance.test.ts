import { startRabbitMq } from '@mekong/stack'
import { describeDriver } from '@mekong/testing/conformance'
import { rabbitMqHarness } from './rabbitmq-harness.ts'

describeDriver('rabbitmq', rabbitMqHarness(await startRabbitMq({ proxied: true })))
