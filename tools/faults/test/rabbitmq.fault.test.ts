import { startRabbitMq } from '@mekong/stack'
import { describeFaults } from '../src/describe-faults.ts'

describeFaults('RabbitMQ', () => startRabbitMq({ proxied: true }))
