import { mkdirSync } from 'node:fs';
import { DaemonProcess } from '../../test/support/daemons/daemon-process.ts';
import { unmountBelow } from '../../test/support/machine/mounts.ts';
import { Scratch } from '../../test/support/machine/scratch.ts';
import { GpgHome } from '../../test/support/signatures/gpg-home.ts';
import { SignatureServer } from '../../test/support/signatures/signature-server.ts';
import type { PullBench } from './measure-cached-pulls.ts';
import { timeOf } from './measure-commands.ts';
import {
  type HostileFigures,
  type MemoryFigures,
  measureHostileBundles,
  measureSignatureMemory,
  type UnneededFiles,
  verifyUnneededFiles,
} from './measure-signature-load.ts';
import { runQuietRounds } from './quiet-rounds.ts';
import {
  configureDaemon,
  prepareSignatures,
  pullSigned,
  type SignatureBench,
  type SignedImages,
  writePolicyFiles,
} from './signature-bench.ts';
import type { PublishedImage } from './signing-methods.ts';
import { median } from './statistics.ts';
import { watchStrangers } from './watch-strangers.ts';

/** Milliseconds of pulls of images of one kind, in one round or as medians of all. */
export interface SignedPullTimes {
  /** The first pull of a daemon. */
  readonly firstMs: number;
  /** Pulls of other images by the same daemon. */
  readonly laterMs: number;
  /** The pull of an image that is in the store. */
  readonly cachedMs: number;
  /** `sealift pull` into an empty store, from exec to end. */
  readonly commandMs: number;
}

export interface SignedPullFigures {
  readonly title: string;
  readonly times: SignedPullTimes;
  /** The medians of the differences to the unsigned image in the same round. */
  readonly over: SignedPullTimes;
}

export interface SignatureFigures {
  readonly unsigned: SignedPullTimes;
  readonly signed: readonly SignedPullFigures[];
  readonly rounds: number;
  readonly setAside: number;
  readonly isDisturbed: boolean;
  readonly memory: MemoryFigures;
  readonly hostile: HostileFigures;
  readonly unneeded: UnneededFiles;
  /** The share of the machine that other processes used during all of it. */
  readonly strangersShare: number;
}

/** What signatures cost: time of pulls, memory afterwards, and calls beside hostile ones. */
export async function measureSignatures(bench: PullBench, rounds: number): Promise<SignatureFigures> {
  mkdirSync(bench.folder);
  await using gpg = new GpgHome();
  await using server = await SignatureServer.start();
  const prepared = await prepareSignatures(bench, gpg, server);
  const strangers = watchStrangers();
  console.error('    a program without the files that verify signatures');
  const unneeded = await verifyUnneededFiles(prepared);
  const pulls = await measureSignedPulls(prepared, rounds);
  console.error('    calls beside hostile bundles');
  const hostile = await measureHostileBundles(prepared);
  console.error('    memory of an idle daemon');
  const memory = await measureSignatureMemory(prepared);
  return { ...pulls, rounds, memory, hostile, unneeded, strangersShare: strangers() };
}

async function measureSignedPulls(bench: SignatureBench, rounds: number) {
  const kinds = [bench.unsigned, ...bench.signed];
  const commandOptions = writePolicyFiles(bench);
  const runRound = async () => {
    const strangers = watchStrangers();
    const result: SignedPullTimes[] = [];
    for (const kind of kinds) result.push(await measureKind(kind, bench, commandOptions));
    return { result, strangersShare: strangers() };
  };
  // The first round reads the programs from the disk.
  await runRound();
  const { counted, setAside, isDisturbed } = await runQuietRounds(rounds, runRound);
  const samplesOf = (position: number) => counted.flatMap((round) => round[position] ?? []);
  const unsigned = samplesOf(0);
  return {
    unsigned: medians(unsigned),
    signed: bench.signed.map(({ method }, position): SignedPullFigures => {
      const samples = samplesOf(position + 1);
      const differences = samples.flatMap((sample, round) => {
        const other = unsigned[round];
        return other === undefined ? [] : [combine((pick) => pick(sample) - pick(other))];
      });
      return { title: method.title, times: medians(samples), over: medians(differences) };
    }),
    setAside,
    isDisturbed,
  };
}

function medians(samples: readonly SignedPullTimes[]): SignedPullTimes {
  return combine((pick) => median(samples.map(pick)));
}

function combine(of: (pick: (times: SignedPullTimes) => number) => number): SignedPullTimes {
  return {
    firstMs: of(({ firstMs }) => firstMs),
    laterMs: of(({ laterMs }) => laterMs),
    cachedMs: of(({ cachedMs }) => cachedMs),
    commandMs: of(({ commandMs }) => commandMs),
  };
}

/** One daemon and one command, each with an empty store. */
async function measureKind(
  { images }: SignedImages,
  bench: SignatureBench,
  commandOptions: readonly string[],
): Promise<SignedPullTimes> {
  const [first, ...others] = images;
  if (first === undefined) throw new Error('signatures: no image');
  const times = await measureDaemonPulls(first, others, bench);
  return { ...times, commandMs: await measureCommand(first, bench, commandOptions) };
}

async function measureDaemonPulls(
  first: PublishedImage,
  others: readonly PublishedImage[],
  bench: SignatureBench,
): Promise<Omit<SignedPullTimes, 'commandMs'>> {
  await using daemon = new DaemonProcess(bench.programs.sealiftd);
  configureDaemon(daemon, bench);
  await daemon.start();
  const pull = (image: PublishedImage) => pullSigned(daemon, image, bench.signal);
  const firstMs = await pull(first);
  const later: number[] = [];
  for (const image of others) later.push(await pull(image));
  const cached: number[] = [];
  for (const image of others) cached.push(await pull(image));
  return { firstMs, laterMs: median(later), cachedMs: median(cached) };
}

async function measureCommand(
  { reference }: PublishedImage,
  { programs, signal }: SignatureBench,
  options: readonly string[],
): Promise<number> {
  using scratch = new Scratch('signed-pull');
  const folders = ['--store', scratch.join('store'), '--bundle', scratch.join('bundle')];
  try {
    return await timeOf([programs.sealift, 'pull', '--tls-verify=false', ...options, ...folders, reference], signal);
  } finally {
    await unmountBelow(scratch.path);
  }
}
