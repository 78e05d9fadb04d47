import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const PROGRAM = new URL('../entries/store-peer-process.ts', import.meta.url).pathname;

/** Another process that uses the store in `directory`. */
export interface StorePeer {
  /** Resolves when the process has written `line`; rejects when it ends before. */
  said(line: string): Promise<void>;
  readonly lines: readonly string[];
  /** Sends SIGKILL and waits for the end of the process. */
  kill(): Promise<void>;
  /** Resolves with its exit code. */
  ended(): Promise<number | null>;
}

/**
 * Pulls an image `name` of one layer, with a file `name` in it, or removes that image, or what is not needed. `stopAt`
 * names the checkpoint where it stands still until it is killed.
 */
export function startStorePeer(
  directory: string,
  name: string,
  stopAt = '',
  task: 'pull' | 'rm' | 'prune' | 'prune-all' = 'pull',
): StorePeer {
  const parameters = ['--disable-warning=ExperimentalWarning', PROGRAM, directory, name, stopAt, task];
  const child = spawn(process.execPath, parameters, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : null));
  const lines: string[] = [];
  const waiting = new Map<string, () => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    waiting.get(line)?.();
  });
  return {
    lines,
    said: async (line) => {
      if (lines.includes(line)) return;
      const heard = new Promise<true>((resolve) => waiting.set(line, () => resolve(true)));
      const first = await Promise.race([heard, exit]);
      if (first !== true && !lines.includes(line)) throw new Error(`peer ended (${first}) without saying "${line}"`);
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exit;
    },
    ended: () => exit,
  };
}
