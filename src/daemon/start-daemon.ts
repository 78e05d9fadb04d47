import type { ApiListener } from '../api/index.ts';
import type { Environment, SocketGuess } from '../config/index.ts';
import type { Checkpoint } from '../platform/index.ts';
import { holdSignals, type OnSignal } from './hold-signals.ts';

export interface DaemonSurroundings {
  /** Given with -c. */
  readonly configFile: string | undefined;
  readonly environment: Environment;
  readonly version: string;
  readonly onSignal: OnSignal;
  readonly checkpoint: Checkpoint;
}

export interface StartPorts {
  readonly onSignal: OnSignal;
  /** Reads the configuration file. */
  readonly guessSockets: () => SocketGuess;
  readonly openListeners: (paths: readonly string[]) => Promise<readonly ApiListener[]>;
  readonly closeListeners: (listeners: readonly ApiListener[]) => void;
  /** Loads the configuration and all else, serves, and returns the exit code. */
  readonly run: (started: StartedDaemon) => Promise<number>;
}

/** What exists before the configuration is loaded. */
export interface StartedDaemon {
  readonly onSignal: OnSignal;
  readonly listeners: readonly ApiListener[];
  /** The configuration is loaded from what was read then: a client that sees a socket may replace the file. */
  readonly file: SocketGuess['file'];
}

/**
 * Opens the sockets, for which the kata agent waits, and then loads the daemon. Connections wait until the configuration
 * is validated. Returns the exit code; no socket is left, whatever happens.
 */
export async function startDaemon(ports: StartPorts): Promise<number> {
  // Before the sockets exist: a client that sees one may send a signal, which would end the process unheard.
  const onSignal = holdSignals(ports.onSignal);
  const { file, paths = [] } = ports.guessSockets();
  const listeners = await ports.openListeners(paths);
  try {
    return await ports.run({ onSignal, file, listeners });
  } finally {
    ports.closeListeners(listeners);
  }
}
