import { describeDriver } from '@mekong/testing/conformance'
import { kafkaHarness } from './kafka-harness.ts'

describeDriver('kafka by @platformatic/kafka', await kafkaHarness({ client: 'platformatic' }))
