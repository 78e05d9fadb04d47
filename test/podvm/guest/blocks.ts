import { hash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A program in the guest. Its wish is the parameter, as JSON; its answer is JSON on standard output. `known` is a file
 * with the digests of the blocks of each file.
 */
type Wish =
  /**
   * The state of each block of these files: `.` the right bytes, `E` an I/O error (of opening it, too), `X` other
   * bytes.
   */
  | { readonly act: 'read'; readonly known: string; readonly root: string }
  /** The block of `image` that holds each of their blocks; -1 if none does, or if it cannot be read. */
  | { readonly act: 'locate'; readonly known: string; readonly image: string };

type KnownFiles = Readonly<Record<string, readonly string[]>>;

const BLOCK_BYTES = 4096;
const buffer = Buffer.alloc(BLOCK_BYTES);
const wish: Wish = JSON.parse(process.argv[2] ?? '');
const known: KnownFiles = JSON.parse(readFileSync(wish.known, 'utf8'));

/** EIO, and the errors of ext4 for a block of its own whose checksum is wrong: EFSBADCRC and EFSCORRUPTED. */
const BROKEN: ReadonlySet<number | undefined> = new Set([-5, -74, -117]);

function isBroken(error: unknown): boolean {
  return BROKEN.has((error as NodeJS.ErrnoException).errno);
}

/** Returns undefined after the end and the error of a bad disk; throws any other error. */
function readBlock(fd: number, block: number): string | 'EIO' | undefined {
  try {
    const length = readSync(fd, buffer, 0, BLOCK_BYTES, block * BLOCK_BYTES);
    return length === 0 ? undefined : hash('sha256', buffer.subarray(0, length));
  } catch (error) {
    if (isBroken(error)) return 'EIO';
    throw error;
  }
}

function withFile<Result>(path: string, use: (fd: number) => Result, whenBroken: () => Result): Result {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (isBroken(error)) return whenBroken();
    throw error;
  }
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

function judge(actual: string | undefined, expected: string): string {
  if (actual === 'EIO') return 'E';
  return actual === expected ? '.' : 'X';
}

function readFiles(root: string): Record<string, string> {
  const entries = Object.entries(known).map(([name, digests]) => {
    const states = withFile(
      join(root, name),
      (fd) => digests.map((digest, at) => judge(readBlock(fd, at), digest)).join(''),
      () => 'E'.repeat(digests.length),
    );
    return [name, states];
  });
  return Object.fromEntries(entries);
}

function digestsOf(fd: number): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (let block = 0; ; block += 1) {
    const digest = readBlock(fd, block);
    if (digest === undefined) return found;
    found.set(digest, block);
  }
}

function locate(image: string): Record<string, number[]> {
  const blockOf = withFile(image, digestsOf, () => new Map<string, number>());
  const entries = Object.entries(known).map(([name, digests]) => [
    name,
    digests.map((digest) => blockOf.get(digest) ?? -1),
  ]);
  return Object.fromEntries(entries);
}

process.stdout.write(JSON.stringify(wish.act === 'read' ? readFiles(wish.root) : locate(wish.image)));
