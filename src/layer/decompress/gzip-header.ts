import { crc32 } from 'node:zlib';

/** https://www.rfc-editor.org/rfc/rfc1952#section-2.3 */
const MAGIC = 0x8b1f;
const DEFLATE = 8;
const FLAG = { checksum: 0x02, extra: 0x04, name: 0x08, comment: 0x10, reserved: 0xe0 } as const;
const PREFIX_BYTES = 10;

type Part = 'prefix' | 'extra-length' | 'extra' | 'name' | 'comment' | 'checksum' | 'done';

/** The parts in their order, and the flag of each. */
const OPTIONAL_PARTS: readonly (readonly [part: Part, flag: number])[] = [
  ['extra-length', FLAG.extra],
  ['name', FLAG.name],
  ['comment', FLAG.comment],
  ['checksum', FLAG.checksum],
];

/** What is wrong with a gzip header, in zlib's words. */
export class GzipHeaderError extends Error {}

/** Reads one gzip header, in pieces of any size, as strictly as zlib. Keeps none of it. */
export class GzipHeader {
  #part: Part = 'prefix';
  readonly #gathered = Buffer.alloc(PREFIX_BYTES);
  #have = 0;
  #flags = 0;
  #skip = 0;
  #checksum = 0;

  get isComplete(): boolean {
    return this.#part === 'done';
  }

  /** Returns how many bytes of the input belong to the header. Throws `GzipHeaderError`. */
  read(input: Uint8Array): number {
    let offset = 0;
    while (offset < input.length && this.#part !== 'done') offset += this.#readPart(input.subarray(offset));
    return offset;
  }

  #readPart(input: Uint8Array): number {
    switch (this.#part) {
      case 'prefix':
        return this.#readPrefix(input);
      case 'extra-length':
        return this.#gather(input, 2, () => {
          this.#skip = this.#gathered.readUInt16LE(0);
          if (this.#skip > 0) this.#part = 'extra';
          else this.#next('extra-length');
        });
      case 'extra':
        return this.#skipExtra(input);
      case 'name':
      case 'comment':
        return this.#skipText(input, this.#part);
      case 'checksum':
        return this.#readChecksum(input);
      case 'done':
        return 0;
    }
  }

  /** Refuses as soon as the bytes are known that are wrong, as zlib does. */
  #readPrefix(input: Uint8Array): number {
    const before = this.#have;
    const used = this.#fill(input, PREFIX_BYTES);
    const has = (bytes: number): boolean => before < bytes && this.#have >= bytes;
    if (has(2) && this.#gathered.readUInt16LE(0) !== MAGIC) throw new GzipHeaderError('incorrect header check');
    if (has(4)) {
      if (this.#gathered.readUInt8(2) !== DEFLATE) throw new GzipHeaderError('unknown compression method');
      this.#flags = this.#gathered.readUInt8(3);
      if ((this.#flags & FLAG.reserved) !== 0) throw new GzipHeaderError('unknown header flags set');
    }
    if (this.#have === PREFIX_BYTES) {
      this.#sum(this.#gathered);
      this.#have = 0;
      this.#next('prefix');
    }
    return used;
  }

  #fill(input: Uint8Array, need: number): number {
    const part = input.subarray(0, need - this.#have);
    this.#gathered.set(part, this.#have);
    this.#have += part.length;
    return part.length;
  }

  #gather(input: Uint8Array, need: number, done: () => void): number {
    const used = this.#fill(input, need);
    if (this.#have < need) return used;
    this.#sum(this.#gathered.subarray(0, need));
    this.#have = 0;
    done();
    return used;
  }

  #skipExtra(input: Uint8Array): number {
    const part = input.subarray(0, this.#skip);
    this.#sum(part);
    this.#skip -= part.length;
    if (this.#skip === 0) this.#next('extra-length');
    return part.length;
  }

  #skipText(input: Uint8Array, part: 'name' | 'comment'): number {
    const end = input.indexOf(0);
    const text = end < 0 ? input : input.subarray(0, end + 1);
    this.#sum(text);
    if (end >= 0) this.#next(part);
    return text.length;
  }

  #readChecksum(input: Uint8Array): number {
    const expected = this.#checksum & 0xffff;
    return this.#gather(input, 2, () => {
      if (this.#gathered.readUInt16LE(0) !== expected) throw new GzipHeaderError('header crc mismatch');
      this.#part = 'done';
    });
  }

  #sum(bytes: Uint8Array): void {
    if ((this.#flags & FLAG.checksum) !== 0) this.#checksum = crc32(bytes, this.#checksum);
  }

  /** Goes on to the next part that the flags announce. */
  #next(after: Part): void {
    const done = OPTIONAL_PARTS.findIndex(([part]) => part === after);
    const [part = 'done'] = OPTIONAL_PARTS.slice(done + 1).find(([, flag]) => (this.#flags & flag) !== 0) ?? [];
    this.#part = part;
  }
}
