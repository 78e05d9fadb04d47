import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ of every Linux that Node runs on: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const TICKS_PER_SECOND = 100;
const SAMPLE_MS = 10;

export interface CpuTime {
  /** CPU time of the process itself. */
  readonly own: number;
  /** CPU time of its descendants that have ended and were waited for. */
  readonly waitedFor: number;
}

/** Seconds of CPU, user and system together, as the kernel accounts them. */
export function readCpuTime(pid: number): CpuTime {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15);
  return { own: (utime + stime) / TICKS_PER_SECOND, waitedFor: (cutime + cstime) / TICKS_PER_SECOND };
}

export function totalCpuTime(pid: number): number {
  const { own, waitedFor } = readCpuTime(pid);
  return own + waitedFor;
}

/** Seconds that all cores together were not idle; time taken by the hypervisor counts as busy. */
export function readBusyTime(): number {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/ +/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}

/** Lists a process and its descendants. Children belong to threads, and a Go program starts them on any thread. */
export function processTree(pid: number): number[] {
  const threads = readFolder(`/proc/${pid}/task`);
  const children = threads.flatMap((thread) =>
    (readText(`/proc/${pid}/task/${thread}/children`) ?? '').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}

/**
 * Largest sum of VmHWM, the kernel's own high-water mark, over the processes that lived at one time. A process counts
 * from its second sample on: between fork and exec a child shows its parent's memory.
 */
export function watchPeakMemory(): { add(pid: number): void; stop(): number } {
  const roots = new Set<number>();
  let seen = new Set<number>();
  let peak = 0;
  const sample = (): void => {
    const alive = [...roots].flatMap(processTree);
    const sum = alive.filter((pid) => seen.has(pid)).reduce((total, pid) => total + (readHighWater(pid) ?? 0), 0);
    peak = Math.max(peak, sum);
    seen = new Set(alive);
  };
  const timer = setInterval(sample, SAMPLE_MS);
  return {
    add: (pid) => void roots.add(pid),
    stop() {
      sample();
      clearInterval(timer);
      return peak;
    },
  };
}

function readHighWater(pid: number): number | undefined {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readText(`/proc/${pid}/status`) ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Processes may end while they are read. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function readFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
