import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requestPull } from '../../src/api/index.ts';
import { type BuiltImage, buildImage, buildLayer, pushImage } from '../../test/support/builders/image-builder.ts';
import { pseudoRandom } from '../../test/support/builders/small-image.ts';
import { file, tar } from '../../test/support/builders/tar-builder.ts';
import { type DaemonMemory, DaemonProcess } from '../../test/support/daemons/daemon-process.ts';
import { copyProgram } from '../../test/support/daemons/own-program.ts';
import { createDistribution } from '../distribution/create-distribution.ts';
import { type CachedPullFigures, measureCachedPulls, type PullBench } from './measure-cached-pulls.ts';
import { type AllCommandFigures, measureCommands } from './measure-commands.ts';
import type { BuiltPrograms } from './programs.ts';
import { median } from './statistics.ts';
import { watchStrangers } from './watch-strangers.ts';

export const STARTS = 10;
export const PULLS = 20;
/** Code is given back three quarters of a minute after the last thread has ended. */
const QUIET_MS = 50_000;

/** The resources that a program uses before its first request. */
export interface StartFigures {
  readonly socketMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly rssBytes: number;
  /** The part of them that is pages of the binary and of libraries. */
  readonly fileBytes: number;
}

/** The daemon after pulls. */
export interface IdleFigures {
  readonly peakBytes: number;
  /** When the last thread has ended. */
  readonly threadless: DaemonMemory;
  /** A minute after the last work. */
  readonly quiet: DaemonMemory;
  /** A cached pull after that minute, and the one after it. */
  readonly firstPullMs: number;
  readonly nextPullMs: number;
}

/** The figures of another build, measured beside this one's. */
export interface BaselineFigures {
  readonly daemon: StartFigures;
  readonly idle: IdleFigures;
  readonly cachedPulls: CachedPullFigures;
}

export interface DaemonFigures {
  /** Node with the same flags and a socket, and no program. */
  readonly node: StartFigures;
  readonly daemon: StartFigures;
  readonly withHealth: StartFigures;
  readonly idle: IdleFigures;
  readonly unpackedBytes: number;
  readonly archiveBytes: number;
  readonly nodeBytes: number;
  readonly cachedPulls: CachedPullFigures;
  readonly commands: AllCommandFigures;
  readonly baseline: BaselineFigures | undefined;
  /** The share of the machine that other processes used while starts were measured. */
  readonly strangersShare: number;
}

export interface DaemonBench extends PullBench {
  readonly root: string;
  readonly baseline: string | undefined;
}

/** The daemon's cost while no pull runs, and what pulls leave behind. */
export async function measureDaemon(bench: DaemonBench): Promise<DaemonFigures> {
  const { programs, folder, signal } = bench;
  mkdirSync(folder);
  const strangers = watchStrangers();
  const bare = writeBareNode(programs, folder);
  const other = bench.baseline === undefined ? undefined : join(bench.baseline, 'sealiftd');
  const [node, daemon, withHealth, otherDaemon] = await measureStarts(
    [
      { program: bare },
      { program: programs.sealiftd },
      { program: programs.sealiftd, health: true },
      ...(other === undefined ? [] : [{ program: other }]),
    ],
    signal,
  );
  if (node === undefined || daemon === undefined || withHealth === undefined) throw new Error('starts: none measured');
  const strangersShare = strangers();
  const commands = await measureCommands(bench, bench.baseline);
  const baseline =
    other === undefined || otherDaemon === undefined ? undefined : await measureBaseline(bench, other, otherDaemon);
  const idle = await measurePulls(bench);
  const cachedPulls = await measureCachedPulls(bench);
  const { archiveBytes, unpackedBytes } = await createDistribution({
    root: bench.root,
    output: join(folder, 'distribution'),
    compressionLevel: 12,
    modificationTime: new Date(0),
  });
  const nodeBytes = statSync(programs.node).size;
  return {
    node,
    daemon,
    withHealth,
    idle,
    cachedPulls,
    commands,
    baseline,
    archiveBytes,
    unpackedBytes,
    nodeBytes,
    strangersShare,
  };
}

/** The daemon's launcher with a program that only opens the socket. */
function writeBareNode({ node }: BuiltPrograms, folder: string): string {
  const script = join(folder, 'bare.mjs');
  const launcher = join(folder, 'bare');
  writeFileSync(
    script,
    `import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
createServer().listen(join(dirname(process.argv[3]), 'cdh.sock'));
`,
  );
  const command = `exec ${node} --disable-warning=ExperimentalWarning --max-semi-space-size=1 ${script} "$@"`;
  writeFileSync(launcher, `#!/bin/sh\nexport MALLOC_ARENA_MAX=1\n${command}\n`, { mode: 0o755 });
  return launcher;
}

interface Start {
  readonly program: string;
  readonly health?: boolean;
}

/** Starts the programs in turn, so that other load on the machine affects all alike. */
async function measureStarts(starts: readonly Start[], signal: AbortSignal): Promise<StartFigures[]> {
  const samples = starts.map((): { readonly socketMs: number; readonly memory: DaemonMemory }[] => []);
  // The first start reads the program from the disk.
  for (let round = 0; round <= STARTS; round += 1) {
    for (const [position, start] of starts.entries()) {
      const sample = await measureStart(start, signal);
      if (round > 0) samples[position]?.push(sample);
    }
  }
  return samples.map((taken) => ({
    socketMs: median(taken.map(({ socketMs }) => socketMs)),
    minMs: Math.min(...taken.map(({ socketMs }) => socketMs)),
    maxMs: Math.max(...taken.map(({ socketMs }) => socketMs)),
    rssBytes: median(taken.map(({ memory }) => memory.rssBytes)),
    fileBytes: median(taken.map(({ memory }) => memory.fileBytes)),
  }));
}

async function measureStart({ program, health = false }: Start, signal: AbortSignal) {
  signal.throwIfAborted();
  await using daemon = new DaemonProcess(program);
  daemon.writeConfig(health ? { api: `health = "unix://${daemon.path('health.sock')}"` } : {});
  const socketMs = await daemon.start();
  await settle(signal);
  return { socketMs, memory: daemon.memory() };
}

async function measureBaseline(bench: DaemonBench, sealiftd: string, daemon: StartFigures): Promise<BaselineFigures> {
  const folder = join(bench.folder, 'baseline');
  mkdirSync(folder);
  const other = { ...bench, folder, programs: { ...bench.programs, sealiftd } };
  const idle = await measurePulls(other);
  return { daemon, idle, cachedPulls: await measureCachedPulls(other) };
}

/** Waits until background work of the start has ended and its garbage has been collected. */
async function settle(signal: AbortSignal): Promise<void> {
  await sleep(1_000, undefined, { signal });
}

function countWorkers({ pid }: DaemonProcess): number {
  const folder = `/proc/${pid}/task`;
  // Node's name for them.
  return readdirSync(folder).filter((thread) => readName(join(folder, thread, 'comm')) === 'WorkerThread').length;
}

/** Undefined for a thread that has just ended. */
function readName(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return undefined;
  }
}

/** Worker threads end when they have been idle for a while; to be called right after work. */
async function awaitThreads(daemon: DaemonProcess, signal: AbortSignal): Promise<void> {
  if (countWorkers(daemon) === 0)
    throw new Error('memory: expected threads of a daemon that has just pulled, got none');
  while (countWorkers(daemon) > 0) await settle(signal);
  await settle(signal);
}

/** Returns when the worker threads of a daemon have ended and it has given back its code. */
export async function becomeQuiet(daemon: DaemonProcess, signal: AbortSignal): Promise<void> {
  await awaitThreads(daemon, signal);
  await sleep(QUIET_MS, undefined, { signal });
}

async function measurePulls({ programs, registry, folder, signal }: DaemonBench): Promise<IdleFigures> {
  await using daemon = new DaemonProcess(copyProgram(dirname(programs.sealiftd), join(folder, 'own-program')));
  daemon.writeConfig();
  await daemon.start();
  await settle(signal);
  const pull = async (container: string, { top }: BuiltImage, number: number): Promise<number> => {
    const bundlePath = daemon.path('bundles', container);
    mkdirSync(bundlePath);
    const imageUrl = `${registry.host}/daemon/image-${number}@${top.digest}`;
    const startedMs = performance.now();
    await requestPull({ socketPath: daemon.socket, imageUrl, bundlePath, signal });
    return performance.now() - startedMs;
  };
  const images: BuiltImage[] = [];
  for (let number = 0; number < PULLS; number += 1) {
    const image = await publishImage(number, registry.url, folder);
    images.push(image);
    await pull(`c${number}`, image, number);
  }
  await awaitThreads(daemon, signal);
  const threadless = daemon.memory();
  await sleep(QUIET_MS, undefined, { signal });
  const quiet = daemon.memory();
  const again: number[] = [];
  for (const [number, image] of images.slice(0, 2).entries()) again.push(await pull(`again-${number}`, image, number));
  const [firstPullMs = Number.NaN, nextPullMs = Number.NaN] = again;
  return { peakBytes: threadless.peakBytes, threadless, quiet, firstPullMs, nextPullMs };
}

/** Two layers of 5 MB, mostly incompressible, that no other image has. */
async function publishImage(number: number, registryUrl: string, folder: string): Promise<BuiltImage> {
  const members = [
    [file('random', pseudoRandom(4_000_000, `image ${number}`))],
    [file('text', `image ${number}\n`.repeat(100_000))],
  ];
  const layers = await Promise.all(members.map((each) => buildLayer(tar(each), 'gzip', folder)));
  const image = buildImage({ format: 'oci', layers, config: { Cmd: ['/bin/true'] } });
  await pushImage(registryUrl, `daemon/image-${number}`, 'latest', image);
  return image;
}
