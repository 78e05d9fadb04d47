#!/usr/bin/env node
import { writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startSealiftd } from '../compose/start-daemon.ts';
import { asSealiftError, KINDS } from '../errors/index.ts';
import { VERSION } from './version.ts';

const USAGE = `sealiftd: the image pull agent of a confidential pod VM

Usage: sealiftd [-c FILE]

  -c FILE        configuration, TOML or JSON; without it the kernel command line counts
  -V, --version  print the version
  -h, --help     print this
`;

/** Returns the options, or an exit code when all is printed. The flags are those of confidential-data-hub. */
function readArguments(argv: readonly string[]): { readonly configFile: string | undefined } | number {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        config: { type: 'string', short: 'c' },
        version: { type: 'boolean', short: 'V' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help === true) process.stdout.write(USAGE);
    else if (values.version === true) process.stdout.write(`sealiftd ${VERSION}\n`);
    else return { configFile: values.config };
    return 0;
  } catch (error) {
    print(`sealiftd: ${error instanceof Error ? error.message : error}\n${USAGE}`);
    return 2;
  }
}

/** Writes to standard error without the stream that Node would load for it. Returns false when its reader has gone. */
function print(text: string): boolean {
  try {
    return writeSync(2, text) > 0;
  } catch {
    return false;
  }
}

/** A bug in one pull must not end the process: the kata agent neither restarts the daemon nor reconnects to it. */
function survive(error: unknown): void {
  print(`${JSON.stringify({ level: 'error', error: String(error), msg: 'unforeseen error' })}\n`);
}

/** Serves until it is stopped and returns the exit code. An error that prevents serving is printed last. */
async function run(configFile: string | undefined): Promise<number> {
  try {
    return await startSealiftd({
      configFile,
      environment: process.env,
      version: VERSION,
      onSignal: (name, listener) => process.on(name, listener),
      checkpoint: () => {},
    });
  } catch (error) {
    const { code, kind, message, hint } = asSealiftError(error);
    print(`sealiftd: ${message}\n  hint: ${hint}\n  code: ${code}\n`);
    return KINDS[kind].exitCode;
  }
}

const read = readArguments(process.argv.slice(2));
if (typeof read === 'number') process.exitCode = read;
else {
  process.on('uncaughtException', survive);
  process.on('unhandledRejection', survive);
  // The parent's umask does not count: directories and sockets are for the owner.
  process.umask(0o022);
  // Only an answer of the daemon is a success.
  process.exitCode = KINDS.internal.exitCode;
  void run(read.configFile).then((code) => process.exit(code));
}
