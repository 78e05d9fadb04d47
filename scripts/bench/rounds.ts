import { join } from 'node:path';
import { CannotTakePart, type Contender } from './contender.ts';
import type { BenchImage } from './images.ts';
import { runQuietRounds } from './quiet-rounds.ts';
import { runOnce, type Sample } from './run-once.ts';
import type { Scenario } from './settings.ts';

export interface Cell {
  readonly contender: string;
  readonly kind: Contender['kind'];
  /** Figures of the rounds that count. */
  readonly samples: readonly Sample[];
  /** The reason for missing figures. */
  readonly cannot?: string;
}

export interface CaseResult {
  readonly scenario: Scenario;
  readonly image: BenchImage;
  readonly cells: readonly Cell[];
  /** Rounds that do not count, because something else took part of the machine. */
  readonly setAside: number;
  /** True when disturbed rounds had to count because there were no quiet ones. */
  readonly isDisturbed: boolean;
}

export interface RoundsOptions {
  readonly scenario: Scenario;
  readonly image: BenchImage;
  readonly registry: string;
  readonly rounds: number;
  readonly contenders: readonly Contender[];
  /** The folder of the runs, which belongs to `scenario`. */
  readonly folder: string;
  readonly stateFolder: string;
  readonly signal: AbortSignal;
}

/**
 * Runs the contenders in turn, round after round, so that other load on the machine affects all alike. A first round
 * warms caches and shows which contenders can take part. A round that other processes disturbed is run again, up to
 * twice the number of rounds in all.
 */
export async function runRounds(options: RoundsOptions): Promise<CaseResult> {
  const { scenario, image, rounds, contenders } = options;
  const cannot = await warmUp(options);
  const able = contenders.filter(({ name }) => !cannot.has(name));
  const { counted, setAside, isDisturbed } = await runQuietRounds(rounds, async () => {
    const round = new Map<string, Sample>();
    for (const contender of able) round.set(contender.name, await runAndSay(contender, options));
    const strangersShare = Math.max(...[...round.values()].map((sample) => sample.strangersShare));
    return { result: round, strangersShare };
  });
  const cells = contenders.map(({ name, kind }): Cell => {
    const reason = cannot.get(name);
    const samples = counted.flatMap((round) => round.get(name) ?? []);
    return reason === undefined
      ? { contender: name, kind, samples }
      : { contender: name, kind, samples, cannot: reason };
  });
  return { scenario, image, cells, setAside, isDisturbed };
}

async function warmUp(options: RoundsOptions): Promise<Map<string, string>> {
  const cannot = new Map<string, string>();
  for (const contender of options.contenders) {
    try {
      await runAndSay(contender, options, 'warm-up ');
    } catch (error) {
      if (!(error instanceof CannotTakePart)) throw error;
      console.error(`!!! ${contender.name} cannot: ${error.message}`);
      cannot.set(contender.name, error.message);
    }
  }
  return cannot;
}

async function runAndSay(contender: Contender, options: RoundsOptions, prefix = ''): Promise<Sample> {
  const { image, registry, signal } = options;
  const folder = join(options.folder, 'run');
  const stateFolder = join(options.stateFolder, 'run');
  const sample = await runOnce(contender, { folder, stateFolder, registry, image, signal });
  const wall = sample.wallSeconds.toFixed(2).padStart(7);
  console.error(`    ${prefix}${contender.name.padEnd(26)}${wall} s (others ${percent(sample.strangersShare)})`);
  return sample;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
