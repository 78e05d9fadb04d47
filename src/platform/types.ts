/** How a program ended, with its output. */
export type CommandEnd =
  | { readonly kind: 'exited'; readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: 'killed'; readonly signal: string; readonly stderr: string }
  /** The program ran longer than `timeoutMs`; `isStuck`: even SIGKILL did not end it. */
  | { readonly kind: 'timedOut'; readonly isStuck: boolean; readonly stderr: string }
  /** No folder in which the runner looks for programs has a program of this name. */
  | { readonly kind: 'missing'; readonly folders: readonly string[] };

export interface Command {
  /** A bare name, without a folder. */
  readonly program: string;
  readonly parameters: readonly string[];
  readonly stdin?: Uint8Array;
  readonly timeoutMs: number;
  /** The program inherits this descriptor and keeps it open while it runs, so that its lock outlives our process. */
  readonly lockFd?: number;
}

/** Runs programs of the root file system: without a shell, with a fixed environment and bounded output. */
export interface CommandRunner {
  /** Returns once the program runs. */
  start(command: Command): { readonly end: Promise<CommandEnd> };
  /** The number of programs that SIGKILL did not end and that still exist. */
  readonly stuckPrograms: number;
}

export interface Clock {
  /** Returns monotonic milliseconds. */
  nowMs(): number;
  /** Ends early, without an error, when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Called at named moments, so that tests can crash or tamper exactly there. */
export type Checkpoint = (name: string) => void;
