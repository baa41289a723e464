import { announce, untilTold } from '../../src/index.ts'

console.log(`conditions ${process.execArgv.join(' ')}, arguments ${process.argv.slice(2).join(' ')}`)
await announce('ready', { language: process.env['ECHO_LANGUAGE'] })
for (;;) await announce('said', await untilTold('say'))
