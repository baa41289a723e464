import type { SystemUser } from '../system-user.ts'

/** What a supervisor process is told when it starts, as JSON in its first argument. */
export interface SupervisorSettings {
  /** Made by the supervisor when it starts, removed when it ends. */
  readonly folder: string
  /** Who owns the folder, when that is not who runs the supervisor. */
  readonly owner?: SystemUser | undefined
  /** How the process is ended when the run is over; SIGKILL follows when it has not obeyed within `endTimeoutMs`. */
  readonly endSignal: NodeJS.Signals
  readonly endTimeoutMs: number
}

/** A process to run. What it prints goes to `log` in the supervisor's folder. */
export interface ProcessSpecification {
  readonly command: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingFolder: string
  readonly user?: SystemUser | undefined
  /** Whether it is a Node process that exchanges messages with who has it run. */
  readonly hasMessages: boolean
}

export interface ProcessExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Requests are answered in their order: `run` by `running` or `failed`, `signal` by `signalled`. */
export type SupervisorRequest =
  | { readonly kind: 'run'; readonly process: ProcessSpecification }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'message'; readonly message: unknown }

export type SupervisorReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'running'; readonly pid: number }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'signalled' }
  | { readonly kind: 'message'; readonly message: unknown }
  | { readonly kind: 'exited'; readonly exit: ProcessExit }

export const logFileName = 'log'
