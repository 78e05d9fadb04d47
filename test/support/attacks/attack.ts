import type { ErrorCode } from '../../../src/errors/index.ts';
import { type Bytes, file, type TarMember } from '../builders/tar-builder.ts';

/** What an attack relies on. */
export const MECHANISMS = [
  'root entry',
  'name',
  'PAX header',
  'symlink',
  'hard link',
  'device',
  'whiteout',
  'lower layer',
  'overlay mark',
  'runtime files',
] as const;
export type Mechanism = (typeof MECHANISMS)[number];

export type AttackLayer = readonly (TarMember | Uint8Array)[];

/**
 * How the attack must end: with a code, or with these paths in the tree, each with its line of `listTree`.
 */
export type Verdict =
  | { readonly refused: ErrorCode }
  | { readonly confined: (outside: string) => Readonly<Record<string, string>> };

/** An image that tries to write or link outside of its root. */
export interface Attack {
  readonly mechanism: Mechanism;
  readonly name: string;
  /**
   * Bottom first. `outside` is the absolute path of a directory of the host with a file `secret` in it; beside it lie
   * another file `secret` and, where the root is called `root`, a directory `root-evil` with a third.
   */
  readonly layers: (outside: string) => readonly AttackLayer[];
  readonly verdict: Verdict;
  /** Members of the image's configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** A file that every user may write to. */
export const evil = (name: Bytes): TarMember => file(name, 'evil', { mode: 0o777 });

/** Climbs higher than the folder of any test. */
export const UP = '../'.repeat(30);

/** The line of `listTree` for {@link evil}. */
export const PLANTED = 'file 777 evil';

/** Expects only that the attack leaves alone what every attack must leave alone. */
export const CONFINED: Verdict = { confined: () => ({}) };

export const INVALID: Verdict = { refused: 'UNPACK_ENTRY_INVALID' };
export const ESCAPE: Verdict = { refused: 'UNPACK_PATH_ESCAPE' };
