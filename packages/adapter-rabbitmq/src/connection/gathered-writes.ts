import type { Duplex } from 'node:stream'

/**
 * Lets what is written to this socket within one turn leave it with one system call. amqplib writes message by message, and
 * a call for each is the largest part of what a small message costs. Nothing waits: the turn's end is the next tick.
 */
export function gatherWrites(socket: Duplex): void {
  const write = socket.write.bind(socket) as (...written: unknown[]) => boolean
  let isGathering = false
  const release = (): void => {
    isGathering = false
    socket.uncork()
  }
  socket.write = (...written: unknown[]): boolean => {
    if (!isGathering) {
      isGathering = true
      socket.cork()
      process.nextTick(release)
    }
    return write(...written)
  }
}
