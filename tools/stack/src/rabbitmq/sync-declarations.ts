import type { RabbitMqServer } from './start-rabbitmq.ts'

// Where RabbitMQ 3 has its queues, which 4 may have elsewhere; and what Raft knows of quorum queues and streams.
const writeBuffers = '_ = (catch mnesia:sync_log()), [dets:sync(Name) || Name <- dets:all()], ok.'

/**
 * Has RabbitMQ write down which queues and streams were declared. It does so by itself only after some seconds, and a
 * quorum queue or stream whose server is killed before that is lost with all that was confirmed: call it after
 * declaring and before `kill`.
 */
export async function syncDeclarations(server: Pick<RabbitMqServer, 'control'>): Promise<void> {
  await server.control('eval', writeBuffers)
}
