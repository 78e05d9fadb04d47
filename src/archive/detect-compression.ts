import type { WrapperCompression } from './types.ts';

/** The number of bytes that are enough to tell a tar from a compressed file. */
export const HEAD_BYTES = 512;

// https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1, https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1
const MAGICS: readonly (readonly [compression: WrapperCompression, magic: readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/**
 * https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2: the low half of the first byte may be anything, so there are
 * sixteen magic numbers.
 */
const SKIPPABLE_FRAME = [0x2a, 0x4d, 0x18];

const USTAR = { offset: 257, magic: 'ustar' } as const;

/** Returns how a file is compressed, from its first {@link HEAD_BYTES} bytes. */
export function detectCompression(head: Buffer): WrapperCompression {
  // Checked first, because the name of a tar's first member may begin with one of the magic numbers.
  if (head.toString('latin1', USTAR.offset, USTAR.offset + USTAR.magic.length) === USTAR.magic) return 'none';
  const known = MAGICS.find(([, magic]) => magic.every((byte, position) => head[position] === byte));
  if (known !== undefined) return known[0];
  const isSkippable = ((head[0] ?? 0) & 0xf0) === 0x50 && SKIPPABLE_FRAME.every((byte, at) => head[at + 1] === byte);
  return isSkippable ? 'zstd' : 'none';
}
