import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const pollMs = 10

/** Listens on a port in a server's place. What a killed one leaves behind may hold the port for a moment. */
export async function occupyPort(url: string): Promise<AsyncDisposable> {
  const port = Number(new URL(url).port)
  for (;;) {
    const server = createServer()
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening')
      return server
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      await delay(pollMs)
    }
  }
}
