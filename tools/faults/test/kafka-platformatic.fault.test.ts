import { startKafka } from '@mekong/stack'
import { describeFaults } from '../src/describe-faults.ts'

describeFaults('Kafka by @platformatic/kafka', {
  start: () => startKafka({ proxied: true }),
  parameters: { client: 'platformatic', sessionTimeoutMs: '6000' },
  sharesWork: true,
  slowMs: 15_000,
  takesLong: true,
})
