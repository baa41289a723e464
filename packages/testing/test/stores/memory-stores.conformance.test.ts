import { memoryHold, memoryIdempotency, memorySchedule, type Clock } from '@mekong/core'
import {
  describeHoldStore,
  describeIdempotencyStore,
  describeScheduleStore,
  type StoreHarness,
} from '../../src/stores/index.ts'
import { virtualClock } from '../../src/virtual-clock.ts'

describeIdempotencyStore('memoryIdempotency', () => inMemory(clock => memoryIdempotency({ clock })))
describeHoldStore('memoryHold', () => inMemory(clock => memoryHold({ clock })))
describeScheduleStore('memorySchedule', () => inMemory(clock => memorySchedule(clock)))

function inMemory<Store>(create: (clock: Clock) => Store): StoreHarness<Store> {
  const clock = virtualClock({ startAt: 1_700_000_000_000 })
  const store = create(clock)
  return { open: () => store, passTime: ms => clock.advance(ms), now: () => clock.now(), shortLeaseMs: 1000 }
}
