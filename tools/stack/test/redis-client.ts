import { once } from 'node:events'
import { connect } from 'node:net'

/** Sends one command to a Redis, by a connection of its own, and resolves with the reply as it came over the wire. */
export async function askRedis(url: string, command: string): Promise<string> {
  const { hostname, port, password } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  try {
    await once(socket, 'connect')
    let replies = ''
    socket.setEncoding('utf8').on('data', text => (replies += String(text)))
    if (password) socket.write(`AUTH ${decodeURIComponent(password)}\r\n`)
    socket.end(`${command}\r\n`) // it answers what it was asked before it closes
    await once(socket, 'end')
    return password ? replies.replace('+OK\r\n', '') : replies
  } finally {
    socket.destroy()
  }
}
