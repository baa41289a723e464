import { mekong } from '../mekong.ts'
import { unconfirmed } from './queue.ts'

export const contender = mekong('Mekong on amqplib', url => `${url}?maxUnconfirmed=${unconfirmed}`)
