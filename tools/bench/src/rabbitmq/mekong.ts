import { mekong } from '../mekong.ts'

export const contender = mekong('Mekong', url => url)
