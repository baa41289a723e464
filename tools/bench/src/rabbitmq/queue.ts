/** The queue of all contenders that let one choose. */
export const quorumQueue = { durable: true, arguments: { 'x-queue-type': 'quorum' } } as const

/** How many messages are under way unconfirmed where publishing is measured. */
export const unconfirmed = 500

/** How many messages are delivered and not acknowledged. */
export const prefetch = 100
