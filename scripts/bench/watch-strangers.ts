import { cpus } from 'node:os';
import { processTree, readBusyTime, totalCpuTime } from './process-tree.ts';

/** A tenth of the machine. */
const DISTURBED_SHARE = 0.1;

/** Starts counting. The returned function returns the share of the machine that other processes have used since then. */
export function watchStrangers(): () => number {
  const begun = readUse();
  return () => {
    const ended = readUse();
    const seconds = (ended.ms - begun.ms) / 1000;
    const strangers = ended.busy - begun.busy - (ended.own - begun.own);
    return Math.max(0, strangers / (seconds * cpus().length));
  };
}

/** `own` is the CPU time of this process and all its descendants, including those that have ended. */
function readUse() {
  const own = processTree(process.pid).reduce((sum, pid) => sum + cpuTimeOf(pid), 0);
  return { ms: performance.now(), busy: readBusyTime(), own };
}

/** 0 for a process that has just ended: its time is counted for its parent. */
function cpuTimeOf(pid: number): number {
  try {
    return totalCpuTime(pid);
  } catch {
    return 0;
  }
}

/** The last sentence of a report's facts. */
export function describeStrangers(share: number): string {
  const percent = `${Math.round(share * 100)} %`;
  if (share <= DISTURBED_SHARE) return `Other processes used ${percent} of the machine.`;
  return `**Disturbed**: other processes used ${percent} of the machine; do not quote these times.`;
}
