import { type Command, CommanderError } from 'commander';
import { CODES, KINDS, type PlainError, redact, SealiftError, toPlainError } from '../errors/index.ts';
import { type Commands, createProgram } from './create-program.ts';
import type { CommonFlags } from './flags/common-flags.ts';
import { bindTlsVerify } from './flags/parse-settings.ts';
import { formatError, formatErrorDocument, formatResultDocument } from './format-document.ts';
import { createProgress, type Progress } from './progress.ts';
import type { AskPassword, CliIo, CommandIo, CommandOutcome } from './types.ts';

const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The name of what the user asked for in place of a command, which is an outcome. All other errors of commander are wrong
 * command lines.
 */
function askedFor(error: unknown): 'help' | 'version' | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  if (error.code === 'commander.version') return 'version';
  return error.code === 'commander.helpDisplayed' || error.code === 'commander.help' ? 'help' : undefined;
}

/**
 * Turns a message of commander into an error with a code. Values are cut off: the text after `=` of an unknown option,
 * or an unexpected argument, may be a password that was typed at the wrong position.
 */
function usageError(error: CommanderError, named: Command): SealiftError {
  if (error.code === 'commander.help') {
    const group = named.parent === null ? '' : `${named.name()}: `;
    const names = named.commands.map((command) => command.name());
    return new SealiftError('USAGE', `${group}expected a command: ${names.join(', ')}`);
  }
  const message = error.message
    .replace(/^error: /, '')
    .replace(/^(unknown option '[^=']*)=.*$/s, "$1'")
    .replace(/^(too many arguments.*? but got [0-9]+).*$/s, '$1')
    .replace(/\.$/, '');
  return new SealiftError('USAGE', message.charAt(0).toLowerCase() + message.slice(1));
}

/** Returns the error with a hint for the command, because only a pull that is cancelled keeps something. */
function forCommand(error: PlainError, command: Command): PlainError {
  const isAboutPulls = error.code === 'PULL_CANCELLED' && error.hint === CODES.PULL_CANCELLED.hint;
  return isAboutPulls && command.name() !== 'pull' ? { ...error, hint: 'run the command again' } : error;
}

/** Returns the command that the first words name: the program itself, one of its commands, or one of a group. */
function namedCommand(program: Command, argv: readonly string[]): Command {
  const [word, ...rest] = argv;
  const next = program.commands.find((command) => command.name() === word);
  return next === undefined ? program : namedCommand(next, rest);
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

/** One run of the program: it prints the outcome and holds the exit code. */
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

  /** Undefined without a terminal. An interrupt at the prompt is a SIGINT that the terminal did not send. */
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

  begin({ quiet }: CommonFlags): CommandIo {
    const { stderr: stream, now } = this.#io;
    const progress = createProgress({ stream, now, quiet: quiet ?? false });
    this.#progress = progress;
    return { signal: this.#abort.signal, onProgress: progress.onEvent };
  }

  finish(outcome: CommandOutcome, { quiet }: CommonFlags): void {
    const { result, output, remarks, warnings = [], exitCode = 0 } = outcome;
    this.#exitCode = exitCode;
    if (!this.#json) for (const message of warnings) this.#progress?.onEvent({ type: 'warning', message });
    this.#progress?.close();
    if (!quiet && !this.#json && remarks !== undefined) this.#io.stderr.write(remarks());
    this.#io.stdout.write(this.#json ? formatResultDocument(result) : output());
  }

  fail(error: PlainError): void {
    this.#progress?.close();
    if (this.#json) this.#io.stdout.write(formatErrorDocument(error));
    else this.#io.stderr.write(formatError(error));
  }

  /** The exit code of a command that has succeeded, even if a signal arrived afterwards. */
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
  let written = '';
  const program = createProgram(commands, {
    version,
    cwd: io.cwd,
    askPassword: run.askPassword,
    begin: (flags) => run.begin(flags),
    finish: (outcome, flags) => run.finish(outcome, flags),
    writeHelp: (text) => {
      written += text;
    },
  });
  try {
    await program.parseAsync([...bindTlsVerify(argv)], { from: 'user' });
    return run.exitCode;
  } catch (error) {
    const asked = askedFor(error);
    if (asked !== undefined && written !== '') {
      run.finish({ result: { [asked]: asked === 'version' ? version : written }, output: () => written }, {});
      return 0;
    }
    const command = namedCommand(program, argv);
    const plain = forCommand(
      toPlainError(error instanceof CommanderError ? usageError(error, command) : error),
      command,
    );
    run.fail(plain);
    return run.failureCode(plain);
  } finally {
    stopListening();
  }
}
