import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { DEFAULT_LIMITS } from '../limits/index.ts';
import { attempt } from './attempt.ts';
import type { Command, CommandEnd, CommandRunner } from './types.ts';

/** The folders in which distributions and minimal guests keep system programs. */
export const PROGRAM_FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'] as const;
/** How long a killed process may take to end. The kernel ends it at once, unless it waits for a disk. */
const GRACE_MS = 1_000;

interface RunnerOptions {
  /** The only folders in which programs are searched, in this order. */
  readonly folders?: readonly string[];
  /** The default has only a path and the C locale. */
  readonly environment?: NodeJS.ProcessEnv;
  /** How much is kept of each of the two outputs. */
  readonly maxOutputBytes?: number;
}

interface RunningProgram {
  readonly child: ChildProcess;
  readonly command: Command;
  readonly maxOutputBytes: number;
}

export function createCommandRunner({ folders = PROGRAM_FOLDERS, ...options }: RunnerOptions = {}): CommandRunner {
  const stuck = new Set<ChildProcess>();
  const { environment = { PATH: folders.join(':'), LC_ALL: 'C' } } = options;
  const { maxOutputBytes = DEFAULT_LIMITS.maxProgramOutputBytes } = options;
  return {
    start: (command) => {
      const path = findProgram(command.program, folders);
      if (path === undefined) return { end: Promise.resolve({ kind: 'missing', folders }) };
      const { parameters, lockFd } = command;
      const child = spawn(path, parameters, {
        env: environment,
        cwd: '/',
        stdio: ['pipe', 'pipe', 'pipe', ...(lockFd === undefined ? [] : [lockFd])],
      });
      return { end: waitFor({ child, command, maxOutputBytes }, stuck) };
    },
    get stuckPrograms() {
      return stuck.size;
    },
  };
}

/** Returns the path at which the runner finds a program; undefined when no folder has it. */
export function findProgram(name: string, folders: readonly string[] = PROGRAM_FOLDERS): string | undefined {
  return folders
    .map((folder) => join(folder, name))
    .find((path) => attempt(() => accessSync(path, constants.X_OK)).usability === 'usable');
}

function waitFor({ child, command, maxOutputBytes }: RunningProgram, stuck: Set<ChildProcess>): Promise<CommandEnd> {
  const [stdout, stderr] = [collect(child.stdout, maxOutputBytes), collect(child.stderr, maxOutputBytes)];
  feed(child.stdin, command.stdin);
  const ended = Promise.withResolvers<CommandEnd>();
  let grace: NodeJS.Timeout | undefined;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
    grace = setTimeout(() => {
      abandon(child, stuck);
      ended.resolve({ kind: 'timedOut', isStuck: true, stderr: stderr() });
    }, GRACE_MS);
  }, command.timeoutMs);
  const stopTimers = (): void => {
    clearTimeout(timer);
    clearTimeout(grace);
  };
  child.once('error', (error) => {
    stopTimers();
    ended.reject(error);
  });
  child.once('close', (code, signal) => {
    stopTimers();
    if (isLate) ended.resolve({ kind: 'timedOut', isStuck: false, stderr: stderr() });
    else if (signal !== null) ended.resolve({ kind: 'killed', signal, stderr: stderr() });
    else ended.resolve({ kind: 'exited', code: code ?? 0, stdout: stdout(), stderr: stderr() });
  });
  return ended.promise;
}

/** Gives a program up: it ends when the kernel lets it, holds its lock until then, and nothing waits for it. */
function abandon(child: ChildProcess, stuck: Set<ChildProcess>): void {
  stuck.add(child);
  child.once('exit', () => stuck.delete(child));
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  child.unref();
}

/** Writes `bytes`. A broken pipe is ignored: the exit code of a program that does not read says more. */
function feed(stdin: Writable | null, bytes: Uint8Array | undefined): void {
  stdin?.on('error', () => undefined);
  stdin?.end(bytes);
}

/** Keeps the first `maxBytes`; the rest is read and dropped, so that the program does not block. */
function collect(stream: Readable | null, maxBytes: number): () => string {
  const chunks: Buffer[] = [];
  let left = maxBytes;
  stream?.on('data', (chunk: Buffer) => {
    const kept = chunk.subarray(0, left);
    left -= kept.length;
    if (kept.length > 0) chunks.push(kept);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
