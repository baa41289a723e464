import type { Sink } from '../driver/driver-contract.ts'

/** Passes everything on while `isCurrent`, and is deaf afterwards: for a consumer that was given up and speaks again. */
export function sinkWhile(sink: Sink, isCurrent: () => boolean): Sink {
  return {
    assigned: async partition => (isCurrent() ? sink.assigned(partition) : undefined),
    revoked: async (partition, how) => (isCurrent() ? sink.revoked(partition, how) : undefined),
    messages: batch => (isCurrent() ? sink.messages(batch) : undefined),
    lost: batch => (isCurrent() ? sink.lost(batch) : undefined),
    status: status => (isCurrent() ? sink.status(status) : undefined),
  }
}
