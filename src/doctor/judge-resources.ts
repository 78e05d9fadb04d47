import { ok } from './checks.ts';
import type { LoopFacts, ResourceFacts } from './machine-types.ts';
import type { Check, Findings } from './types.ts';

const MIB = 1024 * 1024;
/** The memory of one pull at its peak. */
const PULL_BYTES = 150 * MIB;
/** Enough for several pulls: sockets, pipes of threads, a few files for each layer. */
const MIN_OPEN_FILES = 1_024;
const MIN_SYSTEM_FILES = 4_096;
/** Eight threads for each worker, with those that Node starts, for the workers of a machine with many cores. */
const MIN_THREADS = 128;
/** Most images have fewer layers; each mounted layer takes a device. */
const MIN_LOOPS = 64;

/** Checks the resources of the machine that pulls need. */
export function judgeResources({ resources }: Pick<Findings, 'resources'>): readonly Check[] {
  return [judgeMemory(resources), judgeOpenFiles(resources), judgeThreads(resources), judgeLoops(resources.loops)];
}

function judgeMemory({ availableMemoryBytes, memoryLimitBytes, of }: ResourceFacts): Check {
  const name = 'memory';
  const limit =
    memoryLimitBytes === undefined ? '' : `; the control group of the ${of} allows ${inMib(memoryLimitBytes)}`;
  const available = availableMemoryBytes === undefined ? 'unknown' : inMib(availableMemoryBytes);
  const detail = `${available} available${limit}`;
  if (memoryLimitBytes !== undefined && memoryLimitBytes < PULL_BYTES) {
    const remedy = `raise memory.max of the control group to ${inMib(PULL_BYTES)}: a pull takes up to that, and would be killed`;
    return { name, status: 'warn', detail, remedy };
  }
  if (availableMemoryBytes !== undefined && availableMemoryBytes < PULL_BYTES) {
    const remedy = `give the machine more memory: a pull takes up to ${inMib(PULL_BYTES)}, without layers that are kept in memory`;
    return { name, status: 'warn', detail, remedy };
  }
  return ok(name, detail);
}

function judgeOpenFiles({ openFiles, systemFiles, of }: ResourceFacts): Check {
  const name = 'open-files';
  const left = systemFiles === undefined ? undefined : systemFiles.limit - systemFiles.used;
  const detail = `the ${of} may open ${openFiles ?? 'any number of'} files, the machine ${left ?? 'any number of'} more`;
  if (openFiles !== undefined && openFiles < MIN_OPEN_FILES) {
    const remedy = `raise the limit to ${MIN_OPEN_FILES} (LimitNOFILE= of the unit, ulimit -Hn)`;
    return { name, status: 'warn', detail, remedy };
  }
  if (left !== undefined && left < MIN_SYSTEM_FILES) {
    const remedy =
      'raise the sysctl fs.file-max, or find the programs that hold so many files open (/proc/sys/fs/file-nr)';
    return { name, status: 'warn', detail, remedy };
  }
  return ok(name, detail);
}

function judgeThreads({ threadsLeft }: ResourceFacts): Check {
  const name = 'threads';
  if (threadsLeft === undefined) return ok(name, 'no limit');
  const detail = `${threadsLeft} more may be started`;
  if (threadsLeft >= MIN_THREADS) return ok(name, detail);
  const remedy = 'raise pids.max of the control group (TasksMax= of the unit), or the sysctl kernel.threads-max';
  return { name, status: 'warn', detail, remedy };
}

/** With devtmpfs the kernel makes as many nodes as are needed. */
function judgeLoops({ used, nodes, isManaged }: LoopFacts): Check {
  const name = 'loop-nodes';
  if (isManaged) return ok(name, `${used} in use; the kernel makes more when they are needed`);
  const left = Math.max(0, nodes - used);
  const detail = `${left} of ${nodes} in /dev are free, and no more are made`;
  if (left >= MIN_LOOPS) return ok(name, detail);
  const remedy = 'mount devtmpfs on /dev, or make nodes (mknod /dev/loopN b 7 N): each mounted layer image takes one';
  return { name, status: 'warn', detail, remedy };
}

function inMib(bytes: number): string {
  return `${Math.floor(bytes / MIB)} MiB`;
}
