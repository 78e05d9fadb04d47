import { mkdirSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { mustRun } from '../../test/support/machine/commands.ts';
import { loopsBelow } from '../../test/support/machine/loops.ts';
import { unmountBelow } from '../../test/support/machine/mounts.ts';
import { CannotTakePart, type Contender, type Daemon, type Run } from './contender.ts';
import { processTree, readBusyTime, readCpuTime, totalCpuTime, watchPeakMemory } from './process-tree.ts';
import { runStep } from './run-step.ts';
import { verifyResults } from './verify-results.ts';

/** The resources that one pull used. */
export interface Sample {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  readonly diskBytes: number;
  /** The share of the machine's CPU time that processes outside the bench used. */
  readonly strangersShare: number;
}

const LOOP_FREE_MS = 5000;

/** Runs one contender once with empty storage, checks its output, and removes it in any case. */
export async function runOnce(contender: Contender, run: Run): Promise<Sample> {
  mkdirSync(run.folder);
  mkdirSync(run.stateFolder);
  let daemon: Daemon | undefined;
  try {
    daemon = await contender.prepare?.(run);
    // Pending writes of earlier runs must not take time of this run.
    await mustRun('sync', []);
    const { output, ...measured } = await measure(contender, run, daemon);
    verifyResults(contender.results(run, output), run.image.content);
    return { ...measured, diskBytes: await diskUsage(run) };
  } finally {
    await daemon?.stop();
    await clear(run);
  }
}

async function measure(
  contender: Contender,
  run: Run,
  daemon: Daemon | undefined,
): Promise<Omit<Sample, 'diskBytes'> & { readonly output: string }> {
  const steps = contender.steps(run);
  const daemonCpu = (): number => (daemon === undefined ? 0 : totalCpuTime(daemon.pid));
  // Registry and proxy are children of the bench and serve all contenders, so that their time is not counted.
  const servers = processTree(process.pid).filter((pid) => pid !== daemon?.pid);
  const serversCpu = (): number => servers.reduce((sum, pid) => sum + readCpuTime(pid).own, 0);
  const memory = watchPeakMemory();
  if (daemon !== undefined) memory.add(daemon.pid);
  const before = { busy: readBusyTime(), servers: serversCpu(), daemon: daemonCpu(), children: waitedFor() };
  const start = performance.now();
  let output = '';
  let wallSeconds = 0;
  let peakBytes = 0;
  try {
    for (const step of steps) {
      const { code, stdout, stderr } = await runStep(step, memory.add, run.signal);
      if (code !== 0) throw refusal(contender, `${step.command[0]} ended with ${code}: ${lastLine(stderr || stdout)}`);
      output = stdout;
    }
    wallSeconds = (performance.now() - start) / 1000;
  } finally {
    peakBytes = memory.stop();
  }
  // All children that ended belong to the contender: nothing else is started and waited for in between.
  const cpuSeconds = waitedFor() - before.children + daemonCpu() - before.daemon;
  const strangers = readBusyTime() - before.busy - cpuSeconds - (serversCpu() - before.servers);
  const strangersShare = Math.max(0, strangers / (wallSeconds * cpus().length));
  return { wallSeconds, cpuSeconds, peakBytes, strangersShare, output };
}

/** A peer may be unable to pull an image. For Sealift that would be a bug. */
function refusal({ kind }: Contender, message: string): Error {
  return kind === 'peer' ? new CannotTakePart(message) : new Error(message);
}

function waitedFor(): number {
  return readCpuTime(process.pid).waitedFor;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
}

/** Counts allocated blocks, without mounted file systems below. */
async function diskUsage({ folder, stateFolder }: Run): Promise<number> {
  const listed = await mustRun('du', ['-sx', '--block-size=1', folder, stateFolder]);
  return listed
    .toString()
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number.parseInt(line, 10), 0);
}

async function clear({ folder, stateFolder }: Run): Promise<void> {
  await unmountBelow(folder);
  await unmountBelow(stateFolder);
  const deadline = performance.now() + LOOP_FREE_MS;
  while (loopsBelow(folder).size > 0 && performance.now() < deadline) await wait(20);
  for (const [name, path] of loopsBelow(folder)) {
    console.error(`!!! ${name} still holds ${path}`);
    await mustRun('losetup', ['-d', `/dev/${name}`]);
  }
  rmSync(folder, { recursive: true, force: true });
  rmSync(stateFolder, { recursive: true, force: true });
}
