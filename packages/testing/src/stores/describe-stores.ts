import { afterAll, beforeAll, describe, it } from 'vitest'
import type { HoldStore, IdempotencyStore, ScheduleStore } from '@mekong/core/driver'
import { holdCases } from './hold-cases.ts'
import { HoldScene } from './hold-scene.ts'
import { idempotencyCases } from './idempotency-cases.ts'
import { IdempotencyScene } from './idempotency-scene.ts'
import { scheduleCases } from './schedule-cases.ts'
import { ScheduleScene } from './schedule-scene.ts'
import type { StoreCaseGroup, StoreHarness } from './store-case.ts'

type OpenHarness<Store> = () => StoreHarness<Store> | Promise<StoreHarness<Store>>

/** Declares every sentence of the idempotency store's contract as a vitest test. The harness serves all of them. */
export function describeIdempotencyStore(name: string, openHarness: OpenHarness<IdempotencyStore>): void {
  describeStore(name, openHarness, idempotencyCases, (store, harness) => new IdempotencyScene(store, harness))
}

/** Declares every sentence of the hold store's contract as a vitest test. The harness serves all of them. */
export function describeHoldStore(name: string, openHarness: OpenHarness<HoldStore>): void {
  describeStore(name, openHarness, holdCases, (store, harness) => new HoldScene(store, harness))
}

/**
 * Declares every sentence of the schedule store's contract as a vitest test. A schedule has no scopes: the harness opens it
 * empty, and nothing else uses it meanwhile.
 */
export function describeScheduleStore(name: string, openHarness: OpenHarness<ScheduleStore>): void {
  describeStore(name, openHarness, scheduleCases, (store, harness) => new ScheduleScene(store, harness))
}

function describeStore<Store, Scene>(
  name: string,
  openHarness: OpenHarness<Store>,
  groups: readonly StoreCaseGroup<Scene>[],
  sceneOf: (store: Store, harness: StoreHarness<Store>) => Scene,
): void {
  describe(`${name} keeps the contract of its store`, () => {
    let harness: StoreHarness<Store>
    beforeAll(async () => {
      harness = await openHarness()
    })
    afterAll(() => harness?.close?.())
    describe.each(groups.map(group => [group.name, group.cases] as const))('%s', (_, cases) => {
      it.each(cases.map(one => [one.name, one.run] as const))('%s', async (_name, run) =>
        run(sceneOf(await harness.open(), harness)),
      )
    })
  })
}
