import { mkdirSync } from 'node:fs';
import { requestPull } from '../../src/api/index.ts';
import {
  type BuiltImage,
  type BuiltLayer,
  buildImage,
  buildLayer,
  pushImage,
} from '../../test/support/builders/image-builder.ts';
import { pseudoRandom } from '../../test/support/builders/small-image.ts';
import { file, type TarMember, tar, tarStream } from '../../test/support/builders/tar-builder.ts';
import { DaemonProcess } from '../../test/support/daemons/daemon-process.ts';
import type { BuiltPrograms } from './programs.ts';
import { median } from './statistics.ts';
import { watchStrangers } from './watch-strangers.ts';

const MIB = 1 << 20;
export const LAYERS = 40;
export const CACHED_PULLS = 50;
export const BIG_BYTES = 1024 * MIB;
const FILE_BYTES = 4 * MIB;

export interface PullBench {
  readonly programs: BuiltPrograms;
  readonly registry: { readonly host: string; readonly url: string };
  /** A new, empty folder for the build. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Pulls of a cached image over the socket. Each pull evaluates the policy and mounts again. */
export interface CachedPullFigures {
  readonly aloneMs: PullTimes;
  /** The same pulls while a layer of `BIG_BYTES` is being pulled. */
  readonly besideMs: PullTimes;
  /** The share of the machine that other processes used during the measurement. */
  readonly strangersShare: number;
}

export interface PullTimes {
  readonly count: number;
  readonly medianMs: number;
  readonly p90Ms: number;
}

export async function measureCachedPulls(bench: PullBench): Promise<CachedPullFigures> {
  const { programs, registry } = bench;
  const forty = await publish('forty', await fortyLayers(bench.folder), bench);
  const big = await publish('big', [await buildLayer(tarStream(bigMembers()), 'gzip', bench.folder)], bench);
  await using daemon = new DaemonProcess(programs.sealiftd);
  daemon.writeConfig({ memoryBytes: 4 * BIG_BYTES });
  await daemon.start();
  let containers = 0;
  const pull = async ({ top }: BuiltImage, name: string): Promise<number> => {
    const bundlePath = daemon.path('bundles', `c${containers++}`);
    mkdirSync(bundlePath);
    const imageUrl = `${registry.host}/daemon/${name}@${top.digest}`;
    const startedMs = performance.now();
    await requestPull({ socketPath: daemon.socket, imageUrl, bundlePath, signal: bench.signal });
    return performance.now() - startedMs;
  };
  await pull(forty, 'forty');
  const strangers = watchStrangers();
  const alone: number[] = [];
  for (let number = 0; number < CACHED_PULLS; number += 1) alone.push(await pull(forty, 'forty'));
  const beside: number[] = [];
  let isRunning = true;
  const bigPull = pull(big, 'big').finally(() => {
    isRunning = false;
  });
  while (isRunning) {
    const tookMs = await pull(forty, 'forty');
    // The last pull may have had the machine to itself for part of its time.
    if (isRunning) beside.push(tookMs);
  }
  await bigPull;
  return { aloneMs: describePulls(alone), besideMs: describePulls(beside), strangersShare: strangers() };
}

export function describePulls(times: readonly number[]): PullTimes {
  const sorted = [...times].sort((one, other) => one - other);
  const p90Ms = sorted[Math.floor(sorted.length * 0.9)] ?? Number.NaN;
  return { count: times.length, medianMs: median(times), p90Ms };
}

async function fortyLayers(folder: string): Promise<BuiltLayer[]> {
  const layers: BuiltLayer[] = [];
  for (let number = 0; number < LAYERS; number += 1) {
    const member = file(`layer-${number}`, pseudoRandom(50_000, `layer ${number}`));
    layers.push(await buildLayer(tar([member]), 'gzip', folder));
  }
  return layers;
}

/** The content is half noise, half text. */
function* bigMembers(): Generator<TarMember> {
  const noise = pseudoRandom(8 * MIB, 'noise');
  const text = Buffer.alloc(FILE_BYTES / 2, 'a layer that takes a while\n');
  for (let number = 0; number < BIG_BYTES / FILE_BYTES; number += 1) {
    const offset = (number * 1_234_567) % (noise.length - FILE_BYTES / 2);
    yield file(`file-${number}`, { size: FILE_BYTES, chunks: [noise.subarray(offset, offset + FILE_BYTES / 2), text] });
  }
}

async function publish(name: string, layers: readonly BuiltLayer[], { registry }: PullBench): Promise<BuiltImage> {
  const image = buildImage({ format: 'oci', layers, config: { Cmd: ['/bin/true'] } });
  await pushImage(registry.url, `daemon/${name}`, 'latest', image);
  return image;
}
