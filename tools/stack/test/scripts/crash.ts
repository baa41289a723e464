import { announce } from '../../src/index.ts'

await announce('started')
throw new Error('out of paper')
