import { describeDriver } from '@mekong/testing/conformance'
import { kafkaHarness } from './kafka-harness.ts'

describeDriver('kafka', await kafkaHarness())
