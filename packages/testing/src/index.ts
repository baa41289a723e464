export {
  recordingSpy,
  type Received,
  type ReceivedEvent,
  type RecordingSpy,
  type RecordingSpyOptions,
  type Sent,
  type SentEvent,
} from './recording-spy.ts'
export { virtualClock, type VirtualClock, type VirtualClockOptions } from './virtual-clock.ts'
