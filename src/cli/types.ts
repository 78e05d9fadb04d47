import type { ProgressEvent } from '../pull/index.ts';
import type { CommonFlags } from './flags/common-flags.ts';

/** Asks for the password of a user. Undefined where standard input is no terminal. */
export type AskPassword = ((user: string) => Promise<string>) | undefined;

/** What a running command gets from the program. */
export interface CommandIo {
  /** Aborted with a `PULL_CANCELLED` error on SIGINT and SIGTERM; the command cleans up and throws. */
  readonly signal: AbortSignal;
  readonly onProgress: (event: ProgressEvent) => void;
}

/** What a command hands over when it has succeeded. Nothing is printed before. */
export interface CommandOutcome {
  /** The `result` of the document that `--json` prints. */
  readonly result: unknown;
  /** Standard output without `--json`: what a script can use, and nothing else. */
  readonly output: () => string | Uint8Array;
  /** Remarks on standard error, without `--json` and `--quiet`; they end with a newline. */
  readonly remarks?: () => string;
  /** Printed once each on standard error without `--json`, if the progress has not shown them yet. */
  readonly warnings?: readonly string[];
  /** 0 unless the result reports that something does not work. */
  readonly exitCode?: number;
}

/** What a command gets while the command line is parsed, and what it calls to start and to end. */
export interface CommandContext {
  /** Relative paths in flags start here. */
  readonly cwd: string;
  readonly askPassword: AskPassword;
  /** Called once, when the command line is understood and the command starts. */
  readonly begin: (flags: CommonFlags) => CommandIo;
  /** Called once, when the command has succeeded. */
  readonly finish: (outcome: CommandOutcome, flags: CommonFlags) => void;
}

export interface OutputStream {
  write(chunk: string | Uint8Array): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** The process around the program. */
export interface CliIo {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** Relative paths in flags start here. */
  readonly cwd: string;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Asks the user for a line that is not shown; undefined when interrupted or aborted. Absent without a terminal. */
  readonly askPassword?: (prompt: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Calls `listener` for each SIGINT and SIGTERM until the returned function is called. */
  readonly onSignal: (listener: (signal: 'SIGINT' | 'SIGTERM') => void) => () => void;
}
