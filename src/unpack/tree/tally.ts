/** The reason why something was left out on purpose. */
export type DropReason =
  | 'aufs-metadata'
  | 'device-without-root'
  | 'nfs4-acl'
  | 'overlay-xattr'
  | 'owner-without-root'
  | 'selinux-xattr'
  | 'user-xattr-on-special'
  | 'xattr-unsupported'
  | 'xattr-without-root';

/** Counts what a writer left out. */
export class Tally {
  readonly #counts = new Map<DropReason, number>();

  add(reason: DropReason): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  reset(): void {
    this.#counts.clear();
  }

  toRecord(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
