import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { attempt } from '../platform/index.ts';

const ROOT = '/sys/fs/cgroup';

export interface ControlGroup {
  readonly memoryLimitBytes: number | undefined;
  readonly threadsLeft: number | undefined;
}

/**
 * Returns the limits of a process: the lowest ones of its control group and those above.
 * https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
 */
export function readControlGroup(pid: number | 'self', root = ROOT): ControlGroup {
  const memberships = readText(`/proc/${pid}/cgroup`).split('\n');
  const unified = memberships.find((line) => line.startsWith('0::'))?.slice('0::'.length);
  const folders = (path: string | undefined, controller = '') => foldersUp(join(root, controller), path);
  return {
    memoryLimitBytes: least([
      ...folders(unified).map((folder) => readNumber(join(folder, 'memory.max'))),
      ...folders(pathOf(memberships, 'memory'), 'memory').map((folder) =>
        readNumber(join(folder, 'memory.limit_in_bytes')),
      ),
    ]),
    threadsLeft: least([...folders(unified), ...folders(pathOf(memberships, 'pids'), 'pids')].map(readThreadsLeft)),
  };
}

/** `4:memory:/user.slice` */
function pathOf(memberships: readonly string[], controller: string): string | undefined {
  const fields = memberships.map((line) => line.split(':'));
  return fields.find(([, controllers = '']) => controllers.split(',').includes(controller))?.[2];
}

/** A process that sees only a part of the tree has its own group at the root of that part. */
function foldersUp(root: string, path: string | undefined): readonly string[] {
  if (path === undefined) return [];
  const folders: string[] = [];
  for (let each = join('/', path); each !== '/'; each = dirname(each)) folders.push(join(root, each));
  return [...folders, root];
}

function readThreadsLeft(folder: string): number | undefined {
  const limit = readNumber(join(folder, 'pids.max'));
  const used = readNumber(join(folder, 'pids.current'));
  return limit === undefined || used === undefined ? undefined : Math.max(0, limit - used);
}

/** Version 1 writes a number that is larger than any memory instead of `max`. */
function readNumber(path: string): number | undefined {
  const text = readText(path).trim();
  const value = /^[0-9]+$/.test(text) ? Number(text) : undefined;
  return value === undefined || value > Number.MAX_SAFE_INTEGER ? undefined : value;
}

function readText(path: string): string {
  return attempt(() => readFileSync(path).toString('utf8')).value ?? '';
}

export function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
