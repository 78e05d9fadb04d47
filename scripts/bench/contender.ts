import type { BenchImage } from './images.ts';

/** One pull by one contender. */
export interface Run {
  /** New and empty; all that is left behind lies in here. */
  readonly folder: string;
  /** The same, always in memory, as /run is. */
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

/** Something that has to run before the clock starts. */
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
  /** One after the other; all of them are timed. */
  steps(run: Run): readonly Step[];
  /**
   * Folders whose files together have to be those of the image; undefined where output is dropped on purpose. Throws
   * {@link CannotTakePart}.
   */
  results(run: Run, output: string): readonly string[] | undefined;
}

/** The contender cannot do this at all, which is no failure of the bench. */
export class CannotTakePart extends Error {}

export function pinnedReference({ registry, image }: Pick<Run, 'registry' | 'image'>): string {
  return `${registry}/${image.repository}@${image.image.top.digest}`;
}
