import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { watchPeakMemory } from '../machine/process-memory.ts';

/** The program that `make build` wrote. */
export const SEALIFT = fileURLToPath(new URL('../../../dist/sealift', import.meta.url));

export interface SealiftResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The member `result` of the one document on standard output. */
  readonly result: Readonly<Record<string, unknown>>;
  /** The member `error`, if it failed. */
  readonly error: SealiftFailure | undefined;
  /** VmHWM summed over the program's processes. */
  readonly peakBytes: number;
}

export interface SealiftFailure {
  readonly code: string;
  readonly kind: string;
  readonly message: string;
  readonly hint: string;
  readonly context: Readonly<Record<string, unknown>>;
  readonly causes: readonly string[];
}

export interface SealiftOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly program?: string;
  readonly onStart?: (child: ChildProcess) => void;
}

/** Runs the built program with `--json` and reads its answer. A broken contract of standard output is an error. */
export async function runSealift(parameters: readonly string[], options: SealiftOptions = {}): Promise<SealiftResult> {
  const child = spawnSealift(parameters, options, false);
  const memory = watchPeakMemory(child);
  const [stdout, stderr, code] = await Promise.all([readAll(child.stdout), readAll(child.stderr), ended(child)]);
  return { code, stdout, stderr, peakBytes: memory.stop(), ...readDocument(stdout, stderr, code) };
}

/**
 * Runs the program in a process group of its own, so that a test can kill it half-way with all it has started. Returns
 * the signal that ended it or, when it was faster, its exit code.
 */
export async function runDoomedSealift(
  parameters: readonly string[],
  options: SealiftOptions = {},
): Promise<NodeJS.Signals | number> {
  const child = spawnSealift(parameters, options, true);
  child.stdout.resume();
  child.stderr.resume();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? code ?? -1));
  });
}

function spawnSealift(
  parameters: readonly string[],
  { program = SEALIFT, env = {}, onStart, ...rest }: SealiftOptions,
  detached: boolean,
) {
  if (!existsSync(program)) throw new Error(`${program} is missing; run \`make build\` first`);
  const environment = { PATH: process.env['PATH'], HOME: '/nonexistent', ...env };
  const child = spawn(program, [...parameters, '--json'], {
    ...rest,
    env: environment,
    detached,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onStart?.(child);
  return child;
}

function readDocument(stdout: string, stderr: string, code: number): Pick<SealiftResult, 'result' | 'error'> {
  let document: { schema?: unknown; result?: Readonly<Record<string, unknown>>; error?: SealiftFailure };
  try {
    document = JSON.parse(stdout);
  } catch (cause) {
    const seen = `exit code ${code}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`;
    throw new Error(`standard output is not one JSON document: ${seen}`, { cause });
  }
  if (document.schema !== 1 || (document.error === undefined) !== (code === 0)) {
    throw new Error(`unexpected answer with exit code ${code}: ${stdout}`);
  }
  return { result: document.result ?? {}, error: document.error };
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? -1 : 128)));
  });
}
