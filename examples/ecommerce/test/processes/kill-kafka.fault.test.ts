import { it } from 'vitest'
import { expectToSurvive } from '../support/expect-to-survive.ts'

const busyMachineMs = 240_000

it('ends to the penny on kafka while services, broker, Postgres and Redis are killed', { timeout: busyMachineMs }, () =>
  expectToSurvive('kafka'),
)
