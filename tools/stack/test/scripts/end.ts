import { announce, untilTold } from '../../src/index.ts'

process.once('SIGTERM', () => process.exit(3))
await announce('started')
await untilTold('end')
