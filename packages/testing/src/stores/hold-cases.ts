import { administration } from './hold-administration-cases.ts'
import { partitions } from './hold-partition-cases.ts'
import { running } from './hold-running-cases.ts'
import type { HoldScene } from './hold-scene.ts'
import { holding, parking } from './hold-writing-cases.ts'
import type { StoreCaseGroup } from './store-case.ts'

export const holdCases: readonly StoreCaseGroup<HoldScene>[] = [holding, parking, running, administration, partitions]
