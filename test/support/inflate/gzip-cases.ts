import { constants, crc32, deflateRawSync } from 'node:zlib';

/** Returns numbers from 0 to below 1. */
export type Random = () => number;

/** A blob that is called gzip, and what was done to it. */
export interface GzipCase {
  readonly what: string;
  readonly blob: Buffer;
}

/** What the bytes of a member are made of. Sizes go past a slot of the ring and past the window of deflate. */
const CONTENTS: readonly ((bytes: number, random: Random) => Buffer)[] = [
  (bytes) => Buffer.alloc(bytes),
  (bytes, random) => fillWith(bytes, () => random() * 256),
  (bytes, random) => fillWith(bytes, () => 97 + random() ** 3 * 20),
  (bytes, random) => repeatParts(bytes, random),
  (bytes, random) => Buffer.alloc(bytes, String.fromCharCode(...Array.from({ length: 5 }, () => random() * 128))),
];
const SIZES = [0, 1, 2, 100, 4_000, 33_000, 70_000, 150_000, 300_000] as const;
const STRATEGIES = [
  constants.Z_DEFAULT_STRATEGY,
  constants.Z_FILTERED,
  constants.Z_HUFFMAN_ONLY,
  constants.Z_RLE,
  constants.Z_FIXED,
] as const;

function fillWith(bytes: number, next: () => number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let index = 0; index < bytes; index++) content[index] = next();
  return content;
}

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}

/** Random bytes, each part of which comes again at some distance. */
function repeatParts(bytes: number, random: Random): Buffer {
  const content = Buffer.alloc(bytes);
  let filled = Math.min(bytes, 1 + Math.floor(random() * 1_000));
  for (let index = 0; index < filled; index++) content[index] = random() * 256;
  while (filled < bytes) {
    const distance = 1 + Math.floor(random() ** 2 * Math.min(filled, 40_000) * 0.999);
    const end = Math.min(bytes, filled + 3 + Math.floor(random() * 400));
    for (; filled < end; filled++) content[filled] = content[filled - distance] ?? 0;
    if (filled < bytes) content[filled++] = random() * 256;
  }
  return content;
}

const FLAG = { checksum: 2, extra: 4, name: 8, comment: 16 } as const;

function makeHeader(random: Random): Buffer {
  const flags = random() < 0.5 ? 0 : Math.floor(random() * 16) * 2;
  const text = (): Buffer => Buffer.concat([Buffer.alloc(Math.floor(random() * 40), 'n'), Buffer.alloc(1)]);
  const parts: Buffer[] = [Buffer.from([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3])];
  if (flags & FLAG.extra) {
    const extra = Buffer.alloc(Math.floor(random() ** 4 * 65_535), 'e');
    const length = Buffer.alloc(2);
    length.writeUInt16LE(extra.length);
    parts.push(length, extra);
  }
  if (flags & FLAG.name) parts.push(text());
  if (flags & FLAG.comment) parts.push(text());
  if (flags & FLAG.checksum) {
    const checksum = Buffer.alloc(2);
    checksum.writeUInt16LE(crc32(Buffer.concat(parts)) & 0xffff);
    parts.push(checksum);
  }
  return Buffer.concat(parts);
}

function makeMember(content: Buffer, random: Random): Buffer {
  const data = deflateRawSync(content, {
    level: Math.floor(random() * 10),
    strategy: pick(STRATEGIES, random),
    memLevel: 1 + Math.floor(random() * 9),
    windowBits: 9 + Math.floor(random() * 7),
  });
  return frameMember(makeHeader(random), data, content);
}

/** Joins header, deflate data and the trailer for the content. */
export function frameMember(header: Buffer, data: Buffer, content: Buffer): Buffer {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, data, trailer]);
}

const FLIPS = [1, 1, 1, 2, 5] as const;

function flip(blob: Buffer, within: number, random: Random): Buffer {
  const changed = Buffer.from(blob);
  for (let count = pick(FLIPS, random); count > 0; count--) {
    const at = Math.floor(random() * Math.min(within, changed.length));
    changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  }
  return changed;
}

/** What is done to valid members. */
const CHANGES: Readonly<Record<string, (blob: Buffer, random: Random) => Buffer>> = {
  valid: (blob) => blob,
  cut: (blob, random) => blob.subarray(0, Math.floor(random() * blob.length)),
  'cut near its end': (blob, random) => blob.subarray(0, -1 - Math.floor(random() * 12)),
  flipped: (blob, random) => flip(blob, blob.length, random),
  'flipped at its beginning': (blob, random) => flip(blob, 100, random),
  'with a byte less': (blob, random) => {
    const at = Math.floor(random() * blob.length);
    return Buffer.concat([blob.subarray(0, at), blob.subarray(at + 1)]);
  },
  'with zeros behind it': (blob, random) => Buffer.concat([blob, Buffer.alloc(1 + Math.floor(random() * 20))]),
  'with bytes behind it': (blob, random) =>
    Buffer.concat([blob, fillWith(1 + Math.floor(random() * 20), () => random() * 256)]),
  // Its first block has codes of its own.
  'of random data': (_, random) => {
    const data = fillWith(300, () => random() * 256);
    data[0] = ((random() * 256) & ~0b010) | 0b100;
    return frameMember(makeHeader(random), data, Buffer.alloc(0));
  },
  'with half a header behind it': (blob, random) =>
    Buffer.concat([blob, makeHeader(random).subarray(0, 1 + Math.floor(random() * 12))]),
  'with other bytes in its middle': (blob, random) => {
    const changed = Buffer.from(blob);
    const at = Math.floor(random() * changed.length);
    changed.fill(
      fillWith(64, () => random() * 256),
      at,
      Math.min(changed.length, at + Math.floor(random() * 400)),
    );
    return changed;
  },
};
const CHANGE_NAMES = Object.keys(CHANGES);

/** Returns members of random content in random form, valid or changed at random. */
export function makeGzipCase(random: Random): GzipCase {
  const members = Array.from({ length: random() < 0.7 ? 1 : 1 + Math.floor(random() * 4) }, () =>
    makeMember(pick(CONTENTS, random)(pick(SIZES, random), random), random),
  );
  const what = random() < 0.3 ? 'valid' : pick(CHANGE_NAMES, random);
  return { what, blob: CHANGES[what]?.(Buffer.concat(members), random) ?? Buffer.alloc(0) };
}

/** Cuts a blob into pieces: all of one size, or each of another. */
export function cutAtRandom(blob: Buffer, random: Random): Buffer[] {
  const most = pick([1, 3, 9, 300, 5_000, 65_536, 1_000_000], random);
  const isEven = random() < 0.3;
  const pieces: Buffer[] = [];
  for (let offset = 0; offset < blob.length; ) {
    // A blob in single bytes takes long: only its beginning and its end are cut so finely.
    const isInner = offset > 2_000 && offset < blob.length - 2_000;
    const least = isInner ? 200 : 1;
    const size = Math.max(least, isEven ? most : Math.ceil(random() * most));
    pieces.push(blob.subarray(offset, offset + size));
    offset += size;
  }
  return pieces;
}
