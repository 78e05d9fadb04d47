import { join } from 'node:path';
import { buildImage, buildLayer, pushImage } from '../../test/support/builders/image-builder.ts';
import { pseudoRandom } from '../../test/support/builders/small-image.ts';
import { file, tar } from '../../test/support/builders/tar-builder.ts';
import { unmountBelow } from '../../test/support/machine/mounts.ts';
import { Scratch } from '../../test/support/machine/scratch.ts';
import type { PullBench } from './measure-cached-pulls.ts';
import { runStep } from './run-step.ts';
import { median } from './statistics.ts';

export const RUNS = 10;

/** Times of one command from exec until it has ended. */
export interface CommandTimes {
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/** Commands that mostly consist of their start. */
export interface CommandFigures {
  readonly version: CommandTimes;
  /** One layer of 1 MB, into an empty store. */
  readonly smallPull: CommandTimes;
}

export interface AllCommandFigures {
  /** Node that runs nothing. */
  readonly node: CommandTimes;
  readonly sealift: CommandFigures;
  readonly baseline: CommandFigures | undefined;
}

/** Runs all commands in turn, so that other load on the machine affects all alike. */
export async function measureCommands(bench: PullBench, baseline: string | undefined): Promise<AllCommandFigures> {
  const reference = await publishSmall(bench);
  const programs = [bench.programs.sealift, ...(baseline === undefined ? [] : [join(baseline, 'sealift')])];
  const runs = [
    () => timeOf([bench.programs.node, '-e', '0'], bench.signal),
    ...programs.flatMap((program) => [
      () => timeOf([program, '--version'], bench.signal),
      () => timeOfPull(program, reference, bench),
    ]),
  ];
  const samples = runs.map((): number[] => []);
  // The first run reads the programs from the disk.
  for (let round = 0; round <= RUNS; round += 1) {
    for (const [position, run] of runs.entries()) {
      const took = await run();
      if (round > 0) samples[position]?.push(took);
    }
  }
  const [node, version, smallPull, otherVersion, otherPull] = samples.map(describe);
  if (node === undefined || version === undefined || smallPull === undefined)
    throw new Error('commands: none measured');
  return {
    node,
    sealift: { version, smallPull },
    baseline:
      otherVersion === undefined || otherPull === undefined
        ? undefined
        : { version: otherVersion, smallPull: otherPull },
  };
}

function describe(times: readonly number[]): CommandTimes {
  return { medianMs: median(times), minMs: Math.min(...times), maxMs: Math.max(...times) };
}

/** Returns the milliseconds from exec until the end. Throws for an exit code other than 0. */
export async function timeOf(command: readonly [string, ...string[]], signal: AbortSignal): Promise<number> {
  const startedMs = performance.now();
  const { code, stderr } = await runStep({ command }, () => undefined, signal);
  const tookMs = performance.now() - startedMs;
  if (code !== 0) throw new Error(`${command.join(' ')}: expected exit code 0, got ${code}: ${stderr}`);
  return tookMs;
}

async function timeOfPull(program: string, reference: string, { signal }: PullBench): Promise<number> {
  using scratch = new Scratch('small-pull');
  const options = ['--tls-verify=false', '--insecure-policy', '--store', scratch.join('store')];
  try {
    return await timeOf([program, 'pull', ...options, '--bundle', scratch.join('bundle'), reference], signal);
  } finally {
    await unmountBelow(scratch.path);
  }
}

/** Half noise, half text, as large as the layer of busybox. */
async function publishSmall({ registry, folder }: PullBench): Promise<string> {
  const members = [file('noise', pseudoRandom(900_000, 'small')), file('text', 'small\n'.repeat(200_000))];
  const image = buildImage({
    format: 'oci',
    layers: [await buildLayer(tar(members), 'gzip', folder)],
    config: { Cmd: ['/bin/true'] },
  });
  await pushImage(registry.url, 'commands/small', 'latest', image);
  return `${registry.host}/commands/small@${image.top.digest}`;
}
