import { spawnSync } from 'node:child_process';
import { findProgram, PROGRAM_FOLDERS } from '../platform/index.ts';
import type { Program, Programs } from './machine-types.ts';

const TIMEOUT_MS = 2_000;
const MAX_OUTPUT_BYTES = 16 * 1024;

/** The flags that make programs print their versions. Other programs are not run. */
const VERSION_FLAGS: Readonly<Record<string, string>> = {
  cryptsetup: '--version',
  'mkfs.ext4': '-V',
  crun: '--version',
  runc: '--version',
};

/** See {@link DoctorOperations.examinePrograms}. */
export function examinePrograms({
  names,
  path,
}: {
  readonly names: readonly string[];
  readonly path?: string;
}): Programs {
  const folders = path === undefined ? PROGRAM_FOLDERS : path.split(':').filter((folder) => folder.startsWith('/'));
  return Object.fromEntries(names.map((name) => [name, examineProgram(name, folders)]));
}

function examineProgram(name: string, folders: readonly string[]): Program | undefined {
  const path = findProgram(name, folders);
  if (path === undefined) return undefined;
  const flag = VERSION_FLAGS[name];
  return { path, version: flag === undefined ? undefined : readVersion(path, flag) };
}

function readVersion(path: string, flag: string): string | undefined {
  const { stdout, stderr } = spawnSync(path, [flag], {
    env: { LC_ALL: 'C' },
    cwd: '/',
    encoding: 'latin1',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // mkfs.ext4 prints it on standard error.
  return /\b[0-9]+(?:\.[0-9]+)+/.exec(`${stdout ?? ''}\n${stderr ?? ''}`)?.[0];
}
