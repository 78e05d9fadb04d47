import { CommanderError } from 'commander';
import { KINDS, type PlainError, redact, SealiftError, toPlainError } from '../errors/index.ts';
import { createProgram } from './create-program.ts';
import { type AskPassword, bindTlsVerify, type RawFlags } from './flags/parse-options.ts';
import {
  formatError,
  formatErrorDocument,
  formatOutput,
  formatRemarks,
  formatResultDocument,
} from './print-outcome.ts';
import { createProgress, type Progress } from './progress.ts';
import type { CliIo, CommandIo, CommandOutcome, Commands } from './types.ts';

const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Help asked for is an outcome; all else that commander throws is a wrong command line. */
function isHelp(error: unknown): boolean {
  return (
    error instanceof CommanderError && (error.code === 'commander.helpDisplayed' || error.code === 'commander.help')
  );
}

/**
 * A message of commander as ours. Values are cut off: what stands behind `=` of an unknown option, or in place of an
 * unexpected argument, may be a password that was typed at the wrong place.
 */
function usageError(error: CommanderError, commands: readonly string[]): SealiftError {
  if (error.code === 'commander.help') {
    return new SealiftError('USAGE', `expected a command: ${commands.join(', ')}`);
  }
  const message = error.message
    .replace(/^error: /, '')
    .replace(/^(unknown option '[^=']*)=.*$/s, "$1'")
    .replace(/^(too many arguments.*? but got [0-9]+).*$/s, '$1')
    .replace(/\.$/, '');
  return new SealiftError('USAGE', message.charAt(0).toLowerCase() + message.slice(1));
}

function namesOf(program: ReturnType<typeof createProgram>): readonly string[] {
  return program.commands.map((command) => command.name());
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

/** A result means success, but for a report of something that does not work. */
function exitCodeOf(outcome: CommandOutcome): number {
  if (outcome.command === 'store status') {
    const { place, error } = outcome.result;
    return place === undefined ? KINDS[error?.kind ?? 'unavailable'].exitCode : 0;
  }
  const fails = outcome.command === 'doctor' && outcome.result.checks.some(({ status }) => status === 'fail');
  return fails ? KINDS.unsupported.exitCode : 0;
}

/** One run of the program: what it prints and which code it ends with. */
class CliRun {
  readonly #io: CliIo;
  readonly #json: boolean;
  readonly #abort = new AbortController();
  #progress: Progress | undefined;
  #signal: keyof typeof SIGNAL_EXIT_CODES | undefined;
  #exitCode = 0;

  constructor(io: CliIo, json: boolean) {
    this.#io = io;
    this.#json = json;
  }

  cancel(signal: keyof typeof SIGNAL_EXIT_CODES): void {
    this.#signal ??= signal;
    this.#abort.abort(new SealiftError('PULL_CANCELLED', `cancelled by ${signal}`));
  }

  /** Undefined where there is nobody to ask. An interrupt at the prompt is a SIGINT that the terminal did not send. */
  get askPassword(): AskPassword {
    const { askPassword } = this.#io;
    if (askPassword === undefined) return undefined;
    return async (user) => {
      const password = await askPassword(`Password for ${redact(user)}: `, this.#abort.signal);
      if (password === undefined && !this.#abort.signal.aborted) this.cancel('SIGINT');
      this.#abort.signal.throwIfAborted();
      return password ?? '';
    };
  }

  begin(flags: RawFlags): CommandIo {
    const { stderr: stream, now } = this.#io;
    const progress = createProgress({ stream, now, quiet: flags.quiet ?? false });
    this.#progress = progress;
    return { signal: this.#abort.signal, onProgress: progress.onEvent };
  }

  finish(outcome: CommandOutcome, flags: RawFlags): void {
    this.#exitCode = exitCodeOf(outcome);
    if (outcome.command === 'pull' && !this.#json) {
      for (const message of outcome.result.warnings) this.#progress?.onEvent({ type: 'warning', message });
    }
    this.#progress?.close();
    if (!flags.quiet && !this.#json) this.#io.stderr.write(formatRemarks(outcome));
    this.#io.stdout.write(this.#json ? formatResultDocument(outcome) : formatOutput(outcome));
  }

  fail(error: PlainError): void {
    this.#progress?.close();
    if (this.#json) this.#io.stdout.write(formatErrorDocument(error));
    else this.#io.stderr.write(formatError(error));
  }

  /** Of a command that was done, whatever signal came then. */
  get exitCode(): number {
    return this.#exitCode;
  }

  failureCode(error: PlainError): number {
    return this.#signal === undefined ? KINDS[error.kind].exitCode : SIGNAL_EXIT_CODES[this.#signal];
  }
}

/**
 * Runs one command line (without program and script name) and returns the exit code: by the error's kind, 2 for usage,
 * 130 and 143 after SIGINT and SIGTERM, when the command has cleaned up.
 */
export async function runCli(options: {
  readonly argv: readonly string[];
  readonly commands: Commands;
  readonly version: string;
  readonly io: CliIo;
}): Promise<number> {
  const { argv, commands, version, io } = options;
  const run = new CliRun(io, wantsJson(argv));
  const stopListening = io.onSignal((signal) => run.cancel(signal));
  let help = '';
  const program = createProgram(commands, {
    version,
    cwd: io.cwd,
    askPassword: run.askPassword,
    begin: (flags) => run.begin(flags),
    finish: (outcome, flags) => run.finish(outcome, flags),
    writeHelp: (text) => {
      help += text;
    },
  });
  try {
    await program.parseAsync([...bindTlsVerify(argv)], { from: 'user' });
    return run.exitCode;
  } catch (error) {
    if (isHelp(error) && help !== '') {
      run.finish({ command: 'help', result: { help } }, {});
      return 0;
    }
    const plain = toPlainError(error instanceof CommanderError ? usageError(error, namesOf(program)) : error);
    run.fail(plain);
    return run.failureCode(plain);
  } finally {
    stopListening();
  }
}
