import { once } from 'node:events';
import { extract, type Header } from 'tar-stream';
import { SealiftError } from '../errors/index.ts';
import type { FileRange } from '../layer/index.ts';
import { readInto } from './read-range.ts';
import type { ArchiveLimits, ArchiveOperations, TarMember } from './types.ts';

const BLOCK_BYTES = 512;
/** Given to tar-stream in place of content, which does not matter for finding the next header. */
const NOTHING = Buffer.alloc(1024 * 1024);

const KINDS: ReadonlyMap<Header['type'], TarMember['kind']> = new Map([
  ['file', 'file'],
  ['contiguous-file', 'file'],
  ['symlink', 'symlink'],
  ['link', 'hardlink'],
]);

function invalid(what: string, cause?: unknown): SealiftError {
  return new SealiftError('ARCHIVE_INVALID', `archive: ${what}`, { cause });
}

/**
 * Feeds tar-stream with the headers of an archive, one block at a time, and with zeros for the contents, which are
 * skipped in the file. An archive of gigabytes is listed by reading its headers only.
 * ADR 0020 says why, docs/adr/0020-images-in-files.md.
 */
class MemberReader {
  readonly #file: FileRange;
  readonly #limits: ArchiveLimits;
  // With a high-water mark of one byte, `drain` means that the last write was taken whole.
  readonly #parser = extract({ highWaterMark: 1 });
  readonly #members: TarMember[] = [];
  #position = 0;
  #contentBytes = 0;

  constructor(file: FileRange, limits: ArchiveLimits) {
    this.#file = file;
    this.#limits = limits;
    this.#parser.on('entry', (header, content, next) => {
      content.resume();
      this.#enter(header);
      next();
    });
  }

  async read(): Promise<readonly TarMember[]> {
    const block = Buffer.alloc(BLOCK_BYTES);
    let zeroBlocks = 0;
    // https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html: two blocks of zeros end an archive. An
    // archive without them may lack members; that is reported when one of those is asked for.
    while (zeroBlocks < 2 && this.#readBlock(block)) {
      zeroBlocks = block.every((byte) => byte === 0) ? zeroBlocks + 1 : 0;
      await this.#give(Buffer.from(block));
      this.#assertCount();
      await this.#skipContent();
    }
    if (this.#position === 0) throw invalid('expected a tar, got an empty file');
    await this.#settle('finish', () => this.#parser.end(null));
    return this.#members;
  }

  #readBlock(block: Buffer): boolean {
    const count = readInto(this.#file.fd, block, this.#file.offset + this.#position);
    if (count === 0) return false;
    if (count < BLOCK_BYTES) throw invalid(`expected a block of 512 bytes at byte ${this.#position}, got ${count}`);
    this.#position += BLOCK_BYTES;
    return true;
  }

  #enter(header: Header): void {
    const { name, type, linkname, size } = header;
    // The size of a directory is not followed by content.
    this.#contentBytes = type === 'directory' ? 0 : size;
    this.#members.push({
      name,
      kind: KINDS.get(type) ?? 'other',
      // tar-stream gives null for a member without a target, contrary to its types.
      target: linkname ?? '',
      offset: this.#file.offset + this.#position,
      size: this.#contentBytes,
    });
  }

  #assertCount(): void {
    const { maxArchiveMembers: expected } = this.#limits;
    const actual = this.#members.length;
    if (actual <= expected) return;
    throw new SealiftError('ARCHIVE_LIMIT_EXCEEDED', `archive: expected at most ${expected} members, got more`, {
      context: { limit: 'maxArchiveMembers', expected, actual },
    });
  }

  async #skipContent(): Promise<void> {
    if (this.#contentBytes === 0) return;
    const padded = Math.ceil(this.#contentBytes / BLOCK_BYTES) * BLOCK_BYTES;
    if (this.#position + padded > this.#file.length) {
      const { name } = this.#members.at(-1) ?? { name: '' };
      throw invalid(`member ${name}: expected ${this.#contentBytes} bytes, got fewer before the end of the archive`);
    }
    this.#contentBytes = 0;
    for (let left = padded; left > 0; left -= NOTHING.length) await this.#give(NOTHING.subarray(0, left));
    this.#position += padded;
  }

  #give(bytes: Buffer): Promise<void> {
    return this.#settle('drain', () => this.#parser.write(bytes));
  }

  async #settle(event: 'drain' | 'finish', act: () => void): Promise<void> {
    try {
      const settled = once(this.#parser, event);
      act();
      await settled;
    } catch (error) {
      if (error instanceof SealiftError) throw error;
      throw invalid(`expected a well-formed tar up to byte ${this.#position}`, error);
    }
  }
}

/** See `ArchiveOperations`. */
export const listMembers: ArchiveOperations['listMembers'] = ({ file, limits }) =>
  new MemberReader(file, limits).read();
