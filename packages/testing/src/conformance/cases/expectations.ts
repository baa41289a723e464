import assert from 'node:assert/strict'
import { isMekongError, type ErrorCode } from '@mekong/core'
import type { DeclaredCapability } from '../conformance-case.ts'
import { KeyFailure } from '../key-failure.ts'
import { label, type Order } from '../orders.ts'

/** The promise rejects with a MekongError of one of these codes. */
export async function rejectsWith(promise: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<void> {
  const error = await promise.then(
    () => assert.fail(`resolved instead of rejecting with ${codes.join(' or ')}`),
    (reason: unknown) => reason,
  )
  assertCode(error, ...codes)
}

export function assertCode(error: unknown, ...codes: readonly ErrorCode[]): void {
  assert.ok(isMekongError(error), `${String(error)} is no MekongError`)
  assert.ok(
    codes.includes(error.code),
    `the error is ${error.code} (${error.message}) instead of ${codes.join(' or ')}`,
  )
}

/** The events of each order came in the order of their numbers, without a gap. Give first occurrences. */
export function assertOrderByKey(labels: readonly string[], expected: readonly Order[]): void {
  for (const orderId of new Set(expected.map(order => order.orderId))) {
    const wanted = expected.filter(order => order.orderId === orderId).map(label)
    const found = labels.filter(one => one.startsWith(`${orderId}:`))
    const wrong = wanted.findIndex((one, index) => found[index] !== one)
    if (wrong < 0 && found.length === wanted.length) continue
    const early = found[Math.max(wrong, 0)] ?? found.at(-1) ?? orderId
    throw new KeyFailure(
      orderId,
      early,
      `${early} came where ${wanted[wrong] ?? 'nothing'} was due; all: ${found.join(' ')}`,
    )
  }
}

/** Every label once, in any order. */
export function assertEachOnce(labels: readonly string[], expected: readonly Order[]): void {
  assert.deepEqual(labels.toSorted(), expected.map(label).toSorted())
}

/** Order by key, which a broker that keeps no key with one consumer must refuse. */
export const orderByKey: DeclaredCapability = {
  isDeclared: capabilities => capabilities.affinity !== 'none',
  isRefused: async scene => {
    const member = await scene.prepare('inventory', { handle: () => {}, subscription: { order: 'key' } })
    await rejectsWith(member.bus.start(), 'CAPABILITY_MISSING')
  },
}
