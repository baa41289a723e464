import { amqplibOn } from './amqplib-contender.ts'
import { oneQueue } from './amqplib-layout.ts'
import { withVersion } from '../package-version.ts'

/** amqplib used well: one queue, which the default exchange puts into. */
export const contender = amqplibOn(withVersion('amqplib'), oneQueue)
