/** The signals that end a server. `SIGKILL` ends every process of it at once, the others ask its first process. */
export type EndSignal = 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGQUIT'

/**
 * A server started for one run, as programs on this machine or in a container, that may be killed, frozen and restarted.
 *
 * It ends with the process that started it, however that ends, and leaves neither process nor folder behind. Running
 * does not keep the starting process alive.
 */
export interface Server extends AsyncDisposable {
  /** The address for clients, credentials included. The same after a restart. */
  readonly url: string
  /** False when it was killed or stopped, or has ended by itself. A paused server runs. */
  readonly isRunning: boolean
  /**
   * Ends the processes, keeps the data folder. Resolves when the server is gone: at once for `SIGKILL`, the default;
   * for the others when the server has obeyed, which a paused server does not.
   */
  kill(signal?: EndSignal): Promise<void>
  /** Freezes every process (SIGSTOP): connections stay open and answer nothing. */
  pause(): Promise<void>
  /** Continues a paused server (SIGCONT). */
  resume(): Promise<void>
  /**
   * Starts the server again on the same data and port, after `kill`, or after shutting it down in order when it runs.
   * Resolves when it takes connections.
   */
  restart(): Promise<void>
  /** Ends the server for good and removes its data. May be called again. */
  stop(): Promise<void>
  /** The last lines that the server logged. */
  log(): string
}

/** A server that runs as a program on this machine. */
export interface ProgramServer extends Server {
  /** The process id of the server's first process. Another one after each restart. Throws while it is not running. */
  readonly pid: number
}

/** A server that runs in a container. */
export interface ContainerServer extends Server {
  /** By which the engine knows it: `docker logs <name>`. The same after a restart. */
  readonly containerName: string
}
