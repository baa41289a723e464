import { startKafka } from '@mekong/stack'
import { describeFaults } from '../src/describe-faults.ts'

describeFaults('Kafka', {
  start: () => startKafka({ proxied: true }),
  // What a consumer had that was killed is taken over after its session: 30 s by default.
  parameters: { sessionTimeoutMs: '6000' },
  sharesWork: true,
  slowMs: 15_000,
})
