import { readdirSync, readFileSync } from 'node:fs';
import { attempt, mountAt, readMemoryInfo, readMounts } from '../platform/index.ts';
import { findServer } from './find-server.ts';
import type { LoopFacts, ResourceFacts } from './machine-types.ts';
import { least, readControlGroup } from './read-control-group.ts';

/** See {@link DoctorOperations.examineResources}. */
export function examineResources({ socketPath }: { readonly socketPath: string | undefined }): ResourceFacts {
  const server = socketPath === undefined ? undefined : findServer(socketPath);
  const { memoryLimitBytes, threadsLeft } = readControlGroup(server ?? 'self');
  return {
    of: server === undefined ? 'doctor' : 'daemon',
    availableMemoryBytes: readMemoryInfo('MemAvailable'),
    memoryLimitBytes,
    openFiles: readOpenFilesLimit(readText(`/proc/${server ?? 'self'}/limits`)),
    systemFiles: readSystemFiles(readText('/proc/sys/fs/file-nr')),
    threadsLeft: least([threadsLeft, readThreadsLeft()]),
    loops: examineLoops(),
  };
}

/** `Max open files            1024                 524288               files`: soft, then hard, which Node takes. */
function readOpenFilesLimit(limits: string): number | undefined {
  const [, hard] = /^Max open files\s+\S+\s+([0-9]+)/m.exec(limits) ?? [];
  return hard === undefined ? undefined : Number(hard);
}

/** https://docs.kernel.org/admin-guide/sysctl/fs.html#file-max-file-nr: in use, free, most */
function readSystemFiles(text: string): ResourceFacts['systemFiles'] {
  const [used, , limit] = text.trim().split(/\s+/).map(Number);
  return used === undefined || limit === undefined ? undefined : { used, limit };
}

/** https://docs.kernel.org/admin-guide/sysctl/kernel.html#threads-max; loadavg: `… running/all last`. */
function readThreadsLeft(): number | undefined {
  const used = Number(/\/([0-9]+) /.exec(readText('/proc/loadavg'))?.[1] ?? Number.NaN);
  const limit = Number(readText('/proc/sys/kernel/threads-max').trim() || Number.NaN);
  return Number.isNaN(used) || Number.isNaN(limit) ? undefined : Math.max(0, limit - used);
}

function examineLoops(): LoopFacts {
  const isLoop = (name: string): boolean => /^loop[0-9]+$/.test(name);
  const devices = namesIn('/sys/block').filter(isLoop);
  return {
    used: devices.filter((name) => readText(`/sys/block/${name}/loop/backing_file`) !== '').length,
    nodes: namesIn('/dev').filter(isLoop).length,
    isManaged: mountAt(readMounts(), '/dev')?.type === 'devtmpfs',
  };
}

function namesIn(folder: string): readonly string[] {
  return attempt(() => readdirSync(folder)).value ?? [];
}

function readText(path: string): string {
  return attempt(() => readFileSync(path).toString('utf8')).value ?? '';
}
