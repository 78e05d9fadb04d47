import type { ByteString } from '../../bytes/index.ts';
import { BLOCK_BYTES, DIRENT_BYTES, fileTypeOf, writeUint64 } from './layout-format.ts';
import type { DirectoryContent, Inode } from './types.ts';

const DOTS = ['.', '..'] as ByteString[];

/**
 * Distributes names over blocks, section “Directories”: every block holds dirents and then their names, and names
 * ascend over all blocks, because the kernel searches by bisection.
 */
export function layoutDirectory(children: Iterable<ByteString>, lookup: (name: ByteString) => Inode): DirectoryContent {
  // Each character is a byte, so strings sort in the order of their bytes.
  const names = [...DOTS, ...children].sort();
  const starts = [0];
  let used = 0;
  names.forEach((name, index) => {
    const bytes = DIRENT_BYTES + name.length;
    if (used + bytes > BLOCK_BYTES) {
      starts.push(index);
      used = 0;
    }
    used += bytes;
  });
  return { names, lookup, starts, tailBytes: used };
}

const scratch = Buffer.alloc(BLOCK_BYTES);

/** Encodes block `index` without its unused end. The next call overwrites the result. */
export function encodeDirectoryBlock({ names, lookup, starts }: DirectoryContent, index: number): Uint8Array {
  const first = starts[index] ?? 0;
  const end = starts[index + 1] ?? names.length;
  let nameOffset = (end - first) * DIRENT_BYTES;
  names.slice(first, end).forEach((name, at) => {
    const { slot, mode } = lookup(name);
    const offset = at * DIRENT_BYTES;
    writeUint64(scratch, slot, offset);
    scratch.writeUInt16LE(nameOffset, offset + 8);
    scratch.writeUInt16LE(fileTypeOf(mode), offset + 10);
    nameOffset += scratch.write(name, nameOffset, 'latin1');
  });
  return scratch.subarray(0, nameOffset);
}
