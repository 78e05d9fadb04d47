import type { BenchImage } from './images.ts';

/** One pull by one contender. */
export interface Run {
  /** A new, empty folder for everything that the contender leaves behind. */
  readonly folder: string;
  /** The same, but always in memory, like /run. */
  readonly stateFolder: string;
  readonly registry: string;
  readonly image: BenchImage;
  readonly signal: AbortSignal;
}

/** A command with its parameters. */
export interface Step {
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
}

/** A service that has to run before the clock starts. */
export interface Daemon {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Contender {
  readonly name: string;
  readonly kind: 'ours' | 'peer' | 'floor';
  /** Commands that have to be installed. */
  readonly needs: readonly string[];
  prepare?(run: Run): Promise<Daemon>;
  /** The commands run one after the other, and all of them are timed. */
  steps(run: Run): readonly Step[];
  /**
   * Folders whose files together must be those of the image; undefined when the contender drops its output on purpose.
   * Throws {@link CannotTakePart}.
   */
  results(run: Run, output: string): readonly string[] | undefined;
}

/** Thrown when the contender cannot do this at all, which is no failure of the bench. */
export class CannotTakePart extends Error {}

export function pinnedReference({ registry, image }: Pick<Run, 'registry' | 'image'>): string {
  return `${registry}/${image.repository}@${image.image.top.digest}`;
}
