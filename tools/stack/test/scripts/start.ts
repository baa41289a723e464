import { announce, startPostgres, untilTold } from '../../src/index.ts'

const server = await startPostgres({ storage: 'memory' })
await announce('started', server.url)
await untilTold('stop')
await server.stop()
