import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Starts a command that the kernel kills when this process is gone, however it goes. */
export function spawnSupervised(
  command: string,
  parameters: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...parameters], options);
}

/** Resolves when the process has ended, also when it never started. */
export function whenEnded(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

export async function killAndWait(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await whenEnded(child);
}

/** Unmounts what is mounted below $1, the last mount first, and removes it. */
const REAP = `
cat >/dev/null
while mount=$(awk -v below="$1/" 'index($2, below) == 1 { last = $2 } END { print last }' /proc/mounts)
  test -n "$mount"
do umount -l "$mount" || break; done
rm -rf --one-file-system -- "$1"
`;

/**
 * A new folder that is removed even when this process is killed, with the mounts in it: a shell in a session of its own
 * waits for the end of a pipe whose other end only we hold.
 */
export class ReapedFolder implements AsyncDisposable {
  readonly path: string;
  readonly #reaper: ChildProcess;

  constructor(name: string, parent = tmpdir()) {
    this.path = mkdtempSync(join(parent, `sealift-${name}-`));
    this.#reaper = spawn('sh', ['-c', REAP, 'sh', this.path], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#reaper.unref();
  }

  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = whenEnded(this.#reaper);
    this.#reaper.ref();
    this.#reaper.stdin?.end();
    await ended;
  }
}
