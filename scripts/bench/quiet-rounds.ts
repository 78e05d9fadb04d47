/** A tenth of the machine. Kernel threads that work for a contender stay below this when files are in memory. */
const STRANGERS_SHARE = 0.1;

export interface Round<Result> {
  readonly result: Result;
  /** The share of the machine that other processes used meanwhile. */
  readonly strangersShare: number;
}

export interface CountedRounds<Result> {
  /** The results of the rounds that count. */
  readonly counted: readonly Result[];
  /** Rounds that do not count, because something else took part of the machine. */
  readonly setAside: number;
  /** True when disturbed rounds had to count because there were no quiet ones. */
  readonly isDisturbed: boolean;
}

/** Runs so many rounds. One that other processes disturbed is run again, up to twice the number of rounds in all. */
export async function runQuietRounds<Result>(
  rounds: number,
  run: () => Promise<Round<Result>>,
): Promise<CountedRounds<Result>> {
  const quiet: Result[] = [];
  const noisy: Result[] = [];
  while (quiet.length < rounds && quiet.length + noisy.length < 2 * rounds) {
    const { result, strangersShare } = await run();
    const isNoisy = strangersShare > STRANGERS_SHARE;
    (isNoisy ? noisy : quiet).push(result);
    if (isNoisy) console.error(`    (set aside: others used ${Math.round(strangersShare * 100)} % of the CPU)`);
  }
  const isDisturbed = quiet.length < rounds;
  const counted = isDisturbed ? [...quiet, ...noisy].slice(0, rounds) : quiet;
  return { counted, setAside: quiet.length + noisy.length - counted.length, isDisturbed };
}
