import { readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SealiftError } from '../../src/errors/index.ts';
import { type DaemonMemory, DaemonProcess } from '../../test/support/daemons/daemon-process.ts';
import { copyProgram } from '../../test/support/daemons/own-program.ts';
import { describePulls, type PullTimes } from './measure-cached-pulls.ts';
import { becomeQuiet } from './measure-daemon.ts';
import { configureDaemon, pullSigned, type SignatureBench } from './signature-bench.ts';
import type { PublishedImage } from './signing-methods.ts';

/** Pulls beside hostile bundles, and as many without them. */
export const CALLS = 40;
/** Pulls of the hostile image, at most. */
const MAX_ATTACKS = 200;
/** Images of each kind that are pulled before the memory is compared. */
const MEMORY_PULLS = 3;

/** An idle daemon, a minute after its last work. */
export interface MemoryFigures {
  /** It has pulled images of which the policy wants no signature. */
  readonly before: DaemonMemory;
  /** It has also pulled images with each kind of signature. */
  readonly after: DaemonMemory;
}

/** Pulls of an image that is in the store and needs no signature. */
export interface HostileFigures {
  readonly aloneMs: PullTimes;
  /** The same while the hostile bundles of another image are judged. */
  readonly besideMs: PullTimes;
  /** How long the pull of the image with the hostile bundles takes. */
  readonly attackMs: PullTimes;
}

/** Files that a daemon does not open when its policy requires no signatures. */
export interface UnneededFiles {
  readonly files: number;
  readonly bytes: number;
}

function firstOf(images: readonly PublishedImage[]): PublishedImage {
  const [first] = images;
  if (first === undefined) throw new Error('signatures: no image');
  return first;
}

export async function measureSignatureMemory(bench: SignatureBench): Promise<MemoryFigures> {
  const { programs, folder, signal } = bench;
  await using daemon = new DaemonProcess(copyProgram(dirname(programs.sealiftd), join(folder, 'own-program')));
  configureDaemon(daemon, bench);
  await daemon.start();
  const pull = async (images: readonly PublishedImage[]) => {
    for (const image of images.slice(0, MEMORY_PULLS)) await pullSigned(daemon, image, signal);
  };
  await pull(bench.unsigned.images);
  await becomeQuiet(daemon, signal);
  const before = daemon.memory();
  for (const { images } of bench.signed) await pull(images);
  await becomeQuiet(daemon, signal);
  return { before, after: daemon.memory() };
}

export async function measureHostileBundles(bench: SignatureBench): Promise<HostileFigures> {
  const { programs, signal } = bench;
  const harmless = firstOf(bench.unsigned.images);
  const hostile = firstOf(bench.hostile.images);
  await using daemon = new DaemonProcess(programs.sealiftd);
  configureDaemon(daemon, bench);
  await daemon.start();
  const pull = () => pullSigned(daemon, harmless, signal);
  await pull();
  const [alone, beside, attacks]: [number[], number[], number[]] = [[], [], []];
  // Half before, half afterwards, since more and more containers are mounted.
  while (alone.length < CALLS / 2) alone.push(await pull());
  while (beside.length < CALLS && attacks.length < MAX_ATTACKS) {
    let isRunning = true;
    const attack = attackOnce(daemon, hostile, signal).finally(() => {
      isRunning = false;
    });
    while (isRunning) {
      const tookMs = await pull();
      if (isRunning) beside.push(tookMs);
    }
    attacks.push(await attack);
  }
  while (alone.length < CALLS) alone.push(await pull());
  return {
    aloneMs: describePulls(alone),
    besideMs: describePulls(beside),
    attackMs: describePulls(attacks),
  };
}

/** Returns the milliseconds until the image is denied, which has to be the answer. */
async function attackOnce(daemon: DaemonProcess, image: PublishedImage, signal: AbortSignal): Promise<number> {
  const startedMs = performance.now();
  const error = await refusalOf(() => pullSigned(daemon, image, signal));
  // All checks but the last have passed.
  if (error?.code !== 'POLICY_DENIED' || !error.message.includes('its certificate says')) {
    throw new Error('hostile bundles: expected a denial because of their author', { cause: error });
  }
  return performance.now() - startedMs;
}

/** Returns the error of a pull; undefined if there is none. */
async function refusalOf(pull: () => Promise<unknown>): Promise<SealiftError | undefined> {
  try {
    await pull();
    return undefined;
  } catch (error) {
    if (error instanceof SealiftError) return error;
    throw error;
  }
}

/** What verifies signatures, the client of the key broker, and the reader of registries.d. */
const UNNEEDED = /^(?:worker-checks-.*|sealiftd-keybroker-.*|sealiftd-yaml-reader-.*|openpgp\.min\.m)js$/;

/**
 * Removes these files from a copy of the program. It has to pull an image of which the policy wants no signature, and no
 * other one. Throws if it does not.
 */
export async function verifyUnneededFiles(bench: SignatureBench): Promise<UnneededFiles> {
  const { programs, folder, signal, unsigned, signed } = bench;
  const program = copyProgram(dirname(programs.sealiftd), join(folder, 'without-signatures'));
  const lib = join(dirname(program), 'lib');
  const paths = readdirSync(lib)
    .filter((name) => UNNEEDED.test(name))
    .map((name) => join(lib, name));
  if (paths.length !== 4) throw new Error(`signatures: expected four files of the program, got ${paths.join(', ')}`);
  const bytes = paths.reduce((sum, path) => sum + statSync(path).size, 0);
  for (const path of paths) rmSync(path);
  await using daemon = new DaemonProcess(program);
  configureDaemon(daemon, bench, false);
  await daemon.start();
  await pullSigned(daemon, firstOf(unsigned.images), signal);
  for (const { images, method } of signed) {
    const error = await refusalOf(() => pullSigned(daemon, firstOf(images), signal));
    if (error === undefined) throw new Error(`${method.title}: was pulled by a program that cannot verify signatures`);
  }
  return { files: paths.length, bytes };
}
