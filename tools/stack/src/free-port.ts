import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

// Below the ports that systems give to outgoing connections (Linux from 32768, macOS and Windows from 49152): while a
// server is down, a client that reconnects in a loop to such a port can be given that very port and connect to itself.
const firstPort = 20_000
const lastPort = 32_000

/**
 * A port of 127.0.0.1 on which nothing listens now. Another process may take it before it is used: be ready to ask
 * again.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(firstPort, lastPort)
    if (await isFree(port)) return port
  }
  throw new Error(`Found no free port on 127.0.0.1 between ${firstPort} and ${lastPort} in 100 attempts`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1' }, () => probe.close(() => resolve(true)))
  })
}
