import { cpus } from 'node:os';
import { processTree, readBusyTime, totalCpuTime } from './process-tree.ts';

/** A tenth of the machine. */
const DISTURBED_SHARE = 0.1;

/** Begins to count; the answer tells which share of the machine everybody else has used until it is called. */
export function watchStrangers(): () => number {
  const begun = readUse();
  return () => {
    const ended = readUse();
    const seconds = (ended.ms - begun.ms) / 1000;
    const strangers = ended.busy - begun.busy - (ended.own - begun.own);
    return Math.max(0, strangers / (seconds * cpus().length));
  };
}

/** Ours is what this process and all below it have used, those included that have ended. */
function readUse() {
  const own = processTree(process.pid).reduce((sum, pid) => sum + cpuTimeOf(pid), 0);
  return { ms: performance.now(), busy: readBusyTime(), own };
}

/** Nothing for one that has just ended: its parent has the time. */
function cpuTimeOf(pid: number): number {
  try {
    return totalCpuTime(pid);
  } catch {
    return 0;
  }
}

/** In a report, behind the facts. */
export function describeStrangers(share: number): string {
  const percent = `${Math.round(share * 100)} %`;
  if (share <= DISTURBED_SHARE) return `Others used ${percent} of the machine meanwhile.`;
  return `**Disturbed**: others used ${percent} of the machine meanwhile; times are nothing to quote.`;
}
