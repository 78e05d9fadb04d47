import { basename } from 'node:path';
import { formatTable } from '../format-table.ts';

/** The profile as V8 writes it: https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

export interface ThreadProfile {
  readonly title: string;
  readonly totalMs: number;
  /** Function → milliseconds spent in itself, the largest first. */
  readonly selfMs: ReadonlyMap<string, number>;
}

const SHOWN = 14;

/** A function that only one kind of thread calls identifies the thread. */
const THREADS = new Map([
  ['runFetchLine', 'fetch thread'],
  ['drainTo', 'apply thread'],
  ['serveWorker', 'other worker'],
]);

export function toThreadProfile(name: string, { nodes, samples, timeDeltas }: CpuProfile): ThreadProfile {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const selfMs = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id);
    if (frame === undefined) continue;
    const label = `${frame.functionName || '(anonymous)'}${frame.url === '' ? '' : ` ${basename(frame.url)}`}`;
    selfMs.set(label, (selfMs.get(label) ?? 0) + (timeDeltas[index] ?? 0) / 1000);
  }
  const called = new Set(nodes.map(({ callFrame }) => callFrame.functionName));
  const title = [...THREADS].find(([functionName]) => called.has(functionName))?.[1] ?? `main thread`;
  return {
    title: title === 'main thread' && !/\.0\.\d+\.cpuprofile$/.test(name) ? 'unnamed worker' : title,
    totalMs: [...selfMs.values()].reduce((sum, milliseconds) => sum + milliseconds, 0),
    selfMs: new Map([...selfMs].toSorted(([, left], [, right]) => right - left)),
  };
}

/** Prints one table for each thread, including the profiler's own cost. */
export function formatProfiles(profiles: readonly ThreadProfile[], seconds: number): string {
  const tables = profiles.map(({ title, totalMs, selfMs }) => {
    const rows = [...selfMs]
      .slice(0, SHOWN)
      .map(([label, milliseconds]) => [label, `${Math.round(milliseconds)} ms`, share(milliseconds, totalMs)]);
    return `**${title}**, ${Math.round(totalMs)} ms\n\n${formatTable(['self time', '', 'of the thread'], rows)}`;
  });
  return [`One pull under the profiler took ${seconds.toFixed(2)} s.`, ...tables].join('\n\n');
}

function share(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}
