import { mekong } from '../mekong.ts'

export const contender = mekong('Mekong on kafkajs', url => url)
