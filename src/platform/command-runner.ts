import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { DEFAULT_LIMITS } from '../limits/index.ts';
import { attempt } from './attempt.ts';
import type { Command, CommandEnd, CommandRunner } from './types.ts';

/** Where distributions and minimal guests keep such programs. */
export const PROGRAM_FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'] as const;
/** The kernel ends a process that is killed at once, or it waits for a disk and cannot. */
const GRACE_MS = 1_000;

interface RunnerOptions {
  /** Programs are looked for here and nowhere else, in this order. */
  readonly folders?: readonly string[];
  /** Only a path and the C locale when absent. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Of each of the two outputs. */
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

/** Where the runner would find it. */
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

/** Never waited for: it ends when the kernel lets go of it, and keeps its lock until then. */
function abandon(child: ChildProcess, stuck: Set<ChildProcess>): void {
  stuck.add(child);
  child.once('exit', () => stuck.delete(child));
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  child.unref();
}

/** A program that ends without reading says more with its exit code than a broken pipe does. */
function feed(stdin: Writable | null, bytes: Uint8Array | undefined): void {
  stdin?.on('error', () => undefined);
  stdin?.end(bytes);
}

/** What does not fit is read and dropped, so that the program goes on. */
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
