import { sharedRabbitMq } from '@mekong/stack'
import { expect, it } from 'vitest'
import { measureContender } from '../src/measure-contender.ts'
import { rabbitMqBroker } from '../src/rabbitmq/rabbitmq-broker.ts'
import { suite } from '../src/rabbitmq/suite.ts'

// A contender fails by itself when it has not handled every message, once, and the runner when one is not acknowledged.
const messages = 60

it('lets every contender publish and consume all its messages', async () => {
  await using broker = await rabbitMqBroker(await sharedRabbitMq(), () => Promise.resolve())
  const measure = suite.measures.find(one => one.measure === 'consume')
  if (measure === undefined) throw new Error('the suite does not consume')
  const measurements = await Promise.all(
    measure.contenders.map(({ messages: all = measure.messages, ...contender }) =>
      measureContender(broker, {
        measure,
        contender: { ...contender, messages: all },
        scale: messages / all,
        filled: undefined,
      }),
    ),
  )
  expect(measurements.map(measurement => measurement.messages)).toEqual(measure.contenders.map(() => messages))
})
