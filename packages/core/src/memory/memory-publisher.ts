import type { Fate, Outgoing } from '../driver/driver-contract.ts'
import type { BrokerState } from './broker-state.ts'
import { MemoryBrokerError } from './memory-failures.ts'
import { sizeOf, StoredMessage } from './memory-message.ts'
import type { PartitionLog } from './partition-log.ts'
import { Settling } from './settling.ts'

/** What shares its fate: the messages of one batch for one partition, or one message where entries fare apart. */
interface Run {
  readonly log: PartitionLog
  readonly indexes: number[]
  bytes: number
  error: MemoryBrokerError | undefined
}

/** A batch on its way: what became of it, and the messages that were made of it, by index. */
interface Sending {
  readonly batch: readonly Outgoing[]
  readonly fates: Fate[]
  readonly messages: StoredMessage[]
}

const stored: Fate = { is: 'stored' }

/** The publishing side of one driver. */
export class Publisher {
  readonly #broker: BrokerState
  /** Ends the publishes that wait for something: their fate is unknown. */
  readonly #waiting = new Set<() => void>()
  #closed = false
  readonly #endWaiting = (): void => {
    for (const end of this.#waiting) end()
  }

  constructor(broker: BrokerState) {
    this.#broker = broker
    broker.onDisconnect.add(this.#endWaiting)
  }

  publish(batch: readonly Outgoing[], timeoutMs: number): Promise<readonly Fate[]> {
    const { hostility } = this.#broker.options
    if (this.#closed) return notStored(batch, new MemoryBrokerError('closed', 'this driver was closed'))
    if (this.#broker.chance(hostility.disconnect)) this.#broker.disconnectForAWhile()
    if (!this.#broker.connected) return notStored(batch, new MemoryBrokerError('transient', 'not connected'))
    if (this.#broker.chance(hostility.notStored))
      return notStored(batch, new MemoryBrokerError('transient', 'not stored'))
    this.#checkBatch(batch)
    const sending: Sending = { batch, fates: Array.from<Fate>({ length: batch.length }), messages: [] }
    const runs = this.#runsOf(sending)
    if (this.#broker.chance(hostility.hang)) return this.#hang(sending, runs, timeoutMs)
    const now = this.#broker.options.clock.now()
    for (const run of runs) {
      const fate = this.#store(sending, run, now)
      for (const index of run.indexes) sending.fates[index] = fate
    }
    return this.#whenSettled(sending, timeoutMs)
  }

  close(): void {
    this.#closed = true
    this.#broker.onDisconnect.delete(this.#endWaiting)
    this.#endWaiting()
  }

  /** What cannot be sent at all has its fate already and is in no run. */
  #runsOf({ batch, fates, messages }: Sending): readonly Run[] {
    const isApart = this.#broker.options.hostility.sameKeyBatch === 'apart'
    const runs: Run[] = []
    const byLog = new Map<PartitionLog, Run>()
    for (const [index, outgoing] of batch.entries()) {
      const message = new StoredMessage(outgoing, sizeOf(outgoing))
      messages.push(message)
      const log = this.#logOf(outgoing)
      if (log instanceof MemoryBrokerError) {
        fates[index] = { is: 'not-stored', error: log }
        continue
      }
      let run = isApart ? undefined : byLog.get(log)
      if (run === undefined) {
        runs.push((run = { log, indexes: [], bytes: 0, error: undefined }))
        byLog.set(log, run)
      }
      run.indexes.push(index)
      run.bytes += message.bytes
      run.error ??= this.#objectionTo(message)
    }
    if (isApart) this.#broker.shuffle(runs)
    return runs
  }

  #logOf(outgoing: Outgoing): PartitionLog | MemoryBrokerError {
    try {
      return this.#broker.topic(outgoing.topic).logOf(outgoing.key)
    } catch (error) {
      if (error instanceof MemoryBrokerError) return error
      throw error
    }
  }

  #objectionTo({ bytes, outgoing }: StoredMessage): MemoryBrokerError | undefined {
    const { maxBytes, publishDelayMs } = this.#broker.capabilities
    if (bytes > maxBytes)
      return new MemoryBrokerError('too-large', `a message has at most ${maxBytes} bytes, not ${bytes}`)
    if (outgoing.delayMs <= publishDelayMs) return undefined
    this.#broker.violated(`asked for a delay of ${outgoing.delayMs} ms, at most ${publishDelayMs} ms are declared`)
    return new MemoryBrokerError('illegal', `a message waits for at most ${publishDelayMs} ms`)
  }

  #store(sending: Sending, run: Run, now: number): Fate {
    const { hostility } = this.#broker.options
    if (run.error !== undefined) return { is: 'not-stored', error: run.error }
    if (this.#broker.chance(hostility.partial)) {
      return { is: 'not-stored', error: new MemoryBrokerError('transient', 'this part of the batch was not stored') }
    }
    if (!run.log.hasRoom(run.indexes.length, run.bytes, now)) {
      const error = new MemoryBrokerError(
        'throttled',
        `partition ${run.log.topic}/${run.log.id} is full of messages that a group has not taken`,
      )
      return { is: 'not-stored', error }
    }
    if (this.#broker.chance(hostility.unknown)) {
      this.#landSometime(sending, run)
      return { is: 'unknown', error: new MemoryBrokerError('transient', 'the answer was lost') }
    }
    this.#append(sending, run, now)
    return stored
  }

  #append({ messages }: Sending, run: Run, now: number): void {
    for (const index of run.indexes) {
      const message = messages[index]!
      if (message.outgoing.delayMs > 0) this.#appendLater(run.log, message)
      else run.log.append(message, now)
    }
    run.log.wakeReaders()
  }

  #appendLater(log: PartitionLog, message: StoredMessage): void {
    log.reserve(message)
    this.#broker.due.after(message.outgoing.delayMs, () => {
      log.appendReserved(message, this.#broker.options.clock.now())
      log.wakeReaders()
    })
  }

  /** Now, later or never. */
  #landSometime(sending: Sending, run: Run): void {
    const land = (): void => {
      const now = this.#broker.options.clock.now()
      if (run.log.hasRoom(run.indexes.length, run.bytes, now)) this.#append(sending, run, now)
    }
    const when = this.#broker.oneOf(['now', 'later', 'never'] as const)
    if (when === 'now') land()
    else if (when === 'later') this.#broker.later(land)
  }

  #hang(sending: Sending, runs: readonly Run[], timeoutMs: number): Promise<readonly Fate[]> {
    for (const run of runs) if (run.error === undefined) this.#landSometime(sending, run)
    const error = new MemoryBrokerError('transient', 'no answer in time')
    return this.#wait(
      timeoutMs,
      () => sending.batch.map(() => ({ is: 'unknown', error })),
      () => {},
    )
  }

  /** Answers when every group known to the topic has settled each message that asks for it. */
  #whenSettled({ batch, fates, messages }: Sending, timeoutMs: number): Promise<readonly Fate[]> {
    const open = new Set<number>()
    let finish = (): void => {}
    for (const [index, outgoing] of batch.entries()) {
      if (outgoing.until !== 'settled' || fates[index] !== stored) continue
      const groups = this.#broker.groupsOf(outgoing.topic)
      if (groups.length === 0) continue
      open.add(index)
      messages[index]!.settling = new Settling(groups, () => {
        open.delete(index)
        if (open.size === 0) finish()
      })
    }
    if (open.size === 0) return Promise.resolve(fates)
    const error = new MemoryBrokerError('transient', 'not settled by every group in time')
    const answer = (): readonly Fate[] => {
      for (const index of open) {
        messages[index]!.settling = undefined
        fates[index] = { is: 'unknown', error }
      }
      return fates
    }
    return this.#wait(timeoutMs, answer, end => (finish = end))
  }

  /** Answers after `timeoutMs`, when the connection ends, or when `give` calls what it gets. */
  #wait(timeoutMs: number, answer: () => readonly Fate[], give: (end: () => void) => void): Promise<readonly Fate[]> {
    return new Promise(resolve => {
      const end = (): void => {
        cancel()
        if (this.#waiting.delete(end)) resolve(answer())
      }
      const cancel = this.#broker.options.clock.after(timeoutMs, end)
      this.#waiting.add(end)
      give(end)
    })
  }

  #checkBatch(batch: readonly Outgoing[]): void {
    const { batch: limit, sameKeyBatch } = this.#broker.capabilities
    if (batch.length > limit.entries) {
      this.#broker.violated(`published ${batch.length} messages at once, at most ${limit.entries} are declared`)
    }
    if (sameKeyBatch === 'together') return
    const keys = new Set<string>()
    for (const { topic, key } of batch) {
      if (key === undefined) continue
      const name = JSON.stringify([topic, key])
      if (keys.has(name)) this.#broker.violated(`published two messages of one key of ${topic} in one batch`)
      keys.add(name)
    }
  }
}

function notStored(batch: readonly Outgoing[], error: MemoryBrokerError): Promise<readonly Fate[]> {
  const fate: Fate = { is: 'not-stored', error }
  return Promise.resolve(batch.map(() => fate))
}
