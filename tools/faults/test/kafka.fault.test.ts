import { startKafka } from '@mekong/stack'
import { describeFaults } from '../src/describe-faults.ts'

describeFaults('Kafka', () => startKafka({ proxied: true }))
