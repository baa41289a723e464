import { Controller, type INestMicroservice, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Ctx, EventPattern, type MicroserviceOptions, Payload } from '@nestjs/microservices'
import type { Payload as Event } from './payload.ts'

/** `Context` is that of the transport: RmqContext, KafkaContext. */
type Handle = (event: Event, context: never) => Promise<void>

/**
 * A module with one controller that handles one event. Its decorators are called, not written as such, because Node strips
 * types and takes no decorators.
 */
export function createMicroservice(
  options: MicroserviceOptions,
  pattern: string,
  handle: Handle,
): Promise<INestMicroservice> {
  class EventController {
    handle(event: Event, context: never): Promise<void> {
      return handle(event, context)
    }
  }
  const method = Object.getOwnPropertyDescriptor(EventController.prototype, 'handle') ?? {}
  Controller()(EventController)
  EventPattern(pattern)(EventController.prototype, 'handle', method)
  Payload()(EventController.prototype, 'handle', 0)
  Ctx()(EventController.prototype, 'handle', 1)

  // oxlint-disable-next-line typescript/no-extraneous-class -- what Nest wants of a module
  class EventModule {}
  Module({ controllers: [EventController] })(EventModule)
  return NestFactory.createMicroservice<MicroserviceOptions>(EventModule, { ...options, logger: ['error'] })
}
