import { startRabbitMq } from '@mekong/stack'
import { describeFaults } from '../src/describe-faults.ts'

describeFaults('RabbitMQ', {
  start: () => startRabbitMq({ proxied: true }),
  // Before RabbitMQ 4 one member may hold everything.
  sharesWork: false,
  // There is no session: longer than three heartbeats, and than a lease.
  slowMs: 35_000,
})
