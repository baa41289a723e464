import { MekongError } from '../error.ts'

export function busClosed(service: string): MekongError {
  return new MekongError('BUS_CLOSED', `the event bus of ${service} is closed`)
}
