import type { ChildProcess } from 'node:child_process';
import { readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { killAndWait, spawnSupervised } from './supervised-process.ts';

export interface NbdServerOptions {
  readonly imagePath: string;
  readonly socketPath: string;
  readonly readOnly: boolean;
}

/** A disk behind a process that can be stopped: it then answers no request, not even with an error. */
export class NbdServer {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start({ imagePath, socketPath, readOnly }: NbdServerOptions): Promise<NbdServer> {
    const pidPath = `${socketPath}.pid`;
    const settings = ['--persistent', '--format=raw', '--cache=writeback', '--discard=unmap', `--pid-file=${pidPath}`];
    const parameters = [...settings, `--socket=${socketPath}`, ...(readOnly ? ['--read-only'] : []), imagePath];
    // It writes the file once it listens.
    const listens = whenFileIsMade(pidPath);
    const child = spawnSupervised('qemu-nbd', parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`qemu-nbd ended with ${code} before it listened`)));
    });
    ended.catch(() => undefined);
    try {
      await Promise.race([listens.made, ended]);
    } finally {
      listens.stop();
    }
    return new NbdServer(child);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Returns when every thread of it is stopped. */
  async stall(): Promise<void> {
    this.#child.kill('SIGSTOP');
    while (!this.#isStopped()) await new Promise(setImmediate);
  }

  unstall(): void {
    this.#child.kill('SIGCONT');
  }

  kill(): Promise<void> {
    return killAndWait(this.#child);
  }

  #isStopped(): boolean {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error('qemu-nbd has ended');
    return /^State:\s+T/m.test(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'));
  }
}

function whenFileIsMade(path: string): { readonly made: Promise<void>; stop(): void } {
  const watcher = watch(dirname(path));
  const made = new Promise<void>((resolve, reject) => {
    watcher.on('change', (_, name) => {
      if (name === basename(path)) resolve();
    });
    watcher.on('error', reject);
  });
  return { made, stop: () => watcher.close() };
}
