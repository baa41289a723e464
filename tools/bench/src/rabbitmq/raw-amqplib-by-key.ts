import { amqplibOn } from './amqplib-contender.ts'
import { queuesByKey } from './amqplib-layout.ts'
import { withVersion } from '../package-version.ts'

/** amqplib with what Mekong declares: what order by key costs the broker, whoever the client is. */
export const contender = amqplibOn(`${withVersion('amqplib')}, queues by key`, queuesByKey)
