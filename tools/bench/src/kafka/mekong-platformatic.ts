import { mekong } from '../mekong.ts'

export const contender = mekong('Mekong on @platformatic/kafka', url => `${url}?client=platformatic`)
