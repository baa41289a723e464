export { driverCases } from './cases/index.ts'
export {
  runCase,
  type CaseGroup,
  type CaseResult,
  type ConformanceCase,
  type DeclaredCapability,
} from './conformance-case.ts'
export { describeDriver } from './describe-driver.ts'
export { seededRandom, seedOfRun, type Random } from './seed.ts'
export type { Cannot, ConnectionFault, DriverHarness, FaultName, Faults } from './driver-harness.ts'
