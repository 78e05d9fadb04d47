import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const SAMPLE_MS = 5;

/**
 * Samples VmHWM, the kernel's own high-water mark, of a process and its descendants. Marks only rise, so a sample that
 * comes late loses nothing but what happened in a process's last milliseconds.
 */
export function watchPeakMemory(child: ChildProcess): { stop(): number } {
  const peaks = new Map<number, number>();
  const sample = (): void => {
    if (child.pid === undefined) return;
    for (const pid of withDescendants(child.pid)) {
      const peak = readPeak(pid);
      if (peak !== undefined) peaks.set(pid, Math.max(peak, peaks.get(pid) ?? 0));
    }
  };
  const timer = setInterval(sample, SAMPLE_MS);
  child.once('exit', () => clearInterval(timer));
  return {
    stop() {
      clearInterval(timer);
      return [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
    },
  };
}

function withDescendants(pid: number): number[] {
  const children = readProc(`/proc/${pid}/task/${pid}/children`)?.trim() ?? '';
  return [pid, ...children.split(' ').filter(Boolean).map(Number).flatMap(withDescendants)];
}

function readPeak(pid: number): number | undefined {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/**
 * Returns by how many bytes the resident memory of this process rose at most while `work` ran, by the kernel's mark, which
 * is reset before. https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
 */
export async function peakMemoryDuring(work: () => Promise<unknown>): Promise<number> {
  writeFileSync('/proc/self/clear_refs', '5');
  const before = readPeak(process.pid);
  await work();
  const after = readPeak(process.pid);
  if (before === undefined || after === undefined) throw new Error('/proc/self/status has no VmHWM');
  return after - before;
}
