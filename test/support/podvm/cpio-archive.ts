import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** A file of an initramfs. Owner is root and the time is 0, so that the same files give the same bytes. */
export type CpioEntry = { readonly path: string } & (
  | { readonly kind: 'directory'; readonly mode: number }
  | { readonly kind: 'symlink'; readonly target: string }
  | { readonly kind: 'device'; readonly major: number; readonly minor: number }
  | { readonly kind: 'file'; readonly mode: number; readonly content: CpioContent }
);

/** Bytes, or a file on the host that has them. */
export type CpioContent = Uint8Array | { readonly hostPath: string };

interface CpioHeader {
  readonly path: string;
  readonly inode: number;
  readonly mode: number;
  readonly size: number;
  readonly device?: readonly [major: number, minor: number];
}

const MODES = { directory: 0o040000, symlink: 0o120000, device: 0o020000, file: 0o100000 } as const;
const TRAILER = 'TRAILER!!!';

/** Writes the entries to `target` in the "newc" form, appending when the file is there: the kernel takes one after another. */
export function writeCpio(target: string, entries: readonly CpioEntry[]): void {
  const file = openSync(target, 'a');
  try {
    for (const [index, entry] of entries.entries()) writeEntry(file, entry, index + 1);
    writeSync(file, formatHeader({ path: TRAILER, inode: 0, mode: 0, size: 0 }));
  } finally {
    closeSync(file);
  }
}

export function readContent(content: CpioContent): Uint8Array {
  return content instanceof Uint8Array ? content : readFileSync(content.hostPath);
}

function writeEntry(file: number, entry: CpioEntry, inode: number): void {
  const body = bodyOf(entry);
  const mode = MODES[entry.kind] | ('mode' in entry ? entry.mode : 0o777);
  const device = entry.kind === 'device' ? { device: [entry.major, entry.minor] as const } : {};
  writeSync(file, formatHeader({ path: entry.path, inode, mode, size: body.length, ...device }));
  for (let written = 0; written < body.length; ) written += writeSync(file, body, written);
  writeSync(file, Buffer.alloc(paddingAfter(body.length)));
}

function bodyOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'file') return readContent(entry.content);
  return entry.kind === 'symlink' ? Buffer.from(entry.target) : new Uint8Array();
}

/** https://docs.kernel.org/driver-api/early-userspace/buffer-format.html */
function formatHeader({ path, inode, mode, size, device = [0, 0] }: CpioHeader): Buffer {
  const name = Buffer.from(`${path}\0`);
  const links = 1;
  const numbers = [inode, mode, 0, 0, links, 0, size, 0, 0, ...device, name.length, 0];
  const header = Buffer.from(`070701${numbers.map((each) => each.toString(16).padStart(8, '0')).join('')}`);
  return Buffer.concat([header, name, Buffer.alloc(paddingAfter(header.length + name.length))]);
}

function paddingAfter(length: number): number {
  return (4 - (length % 4)) % 4;
}
