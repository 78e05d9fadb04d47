import { SealiftError } from '../errors/index.ts';
import type { Command, CommandEnd, CommandRunner } from '../platform/index.ts';

const MAX_SHOWN = 1_500;

/**
 * Runs a program and returns its standard output if it exits with 0. Calls `started` while it runs. Throws
 * `VOLUME_PROGRAM_MISSING`, `VOLUME_PROGRAM_FAILED` and `VOLUME_STALLED`.
 */
export async function runProgram(commands: CommandRunner, command: Command, started: () => void): Promise<string> {
  const { end } = commands.start(command);
  // If `started` throws, `end` must not become an unhandled rejection.
  end.catch(() => undefined);
  started();
  const result = await end;
  if (result.kind === 'exited' && result.code === 0) return result.stdout;
  throw programFailed(command, result);
}

function programFailed({ program, parameters, timeoutMs }: Command, end: CommandEnd): SealiftError {
  const [action = ''] = parameters;
  const name = program === 'cryptsetup' ? `cryptsetup ${action}` : program;
  switch (end.kind) {
    case 'missing':
      return new SealiftError(
        'VOLUME_PROGRAM_MISSING',
        `run ${program}: expected the program in one of ${end.folders.join(', ')}, found none`,
        { context: { program } },
      );
    case 'timedOut':
      return new SealiftError('VOLUME_STALLED', `${name}: expected it to end within ${timeoutMs} ms, but it did not`, {
        context: { program, limit: 'volumeTimeoutMs', expected: timeoutMs, isStuck: String(end.isStuck) },
      });
    default: {
      const how = end.kind === 'exited' ? `exit code ${end.code}` : end.signal;
      const output = end.stderr.trim().slice(-MAX_SHOWN);
      return new SealiftError('VOLUME_PROGRAM_FAILED', `${name}: expected success, got ${how}: ${output}`, {
        context: { program, actual: how },
      });
    }
  }
}
