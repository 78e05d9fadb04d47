#!/usr/bin/env node
import { askPassword, type CliIo, loadCommands, runCli } from '../cli/index.ts';
import { KINDS } from '../errors/index.ts';
import { VERSION } from './version.ts';

/** Listens once, so that a second signal ends a process whose cleaning up hangs. */
function onSignal(listener: (signal: 'SIGINT' | 'SIGTERM') => void): () => void {
  process.once('SIGINT', listener);
  process.once('SIGTERM', listener);
  return () => {
    process.off('SIGINT', listener);
    process.off('SIGTERM', listener);
  };
}

/** In `sealift inspect … | head` the reader may close the pipe early, which is not an error. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

/** A closed standard error must not end a pull: only remarks and progress are lost. */
process.stderr.on('error', () => undefined);

const io: CliIo = {
  stdout: process.stdout,
  stderr: process.stderr,
  cwd: process.cwd(),
  now: () => performance.now(),
  onSignal,
  ...(process.stdin.isTTY && process.stderr.isTTY
    ? { askPassword: (prompt, signal) => askPassword(process.stdin, process.stderr, prompt, signal) }
    : {}),
};

// Node exits by itself when nothing is left to wait for; only an answer is a success.
process.exitCode = KINDS.internal.exitCode;
void runCli({
  argv: process.argv.slice(2),
  commands: loadCommands(async () => {
    const { composeCli } = await import('../compose/cli.ts');
    return composeCli({ environment: process.env, version: VERSION });
  }),
  version: VERSION,
  io,
}).then((code) => {
  process.exitCode = code;
});
