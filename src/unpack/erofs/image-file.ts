import { closeSync, constants, openSync } from 'node:fs';
import { SealiftError } from '../../errors/index.ts';
import { writeAll } from '../../platform/index.ts';
import { BLOCK_BYTES } from './layout-format.ts';
import type { LayoutSink } from './layout-image.ts';
import type { BlockFeed, ErofsImage } from './types.ts';

/** This size stays in a core's cache between copy and write: 8 % faster than 1 MiB. */
const BUFFER_BYTES = 256 * 1024;
const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_WRONLY;
const OWNER_ONLY = 0o600;

/** The buffer of a finished image, for the next one: forty layers would leave 10 MB to the garbage collector. */
let spareBuffer: Uint8Array | undefined;

/**
 * The image file, written from its second block on through one buffer: one system call for each 256 KiB, however small
 * the entries are. The first block, which has the superblock, is written last, so that an unfinished file is no file
 * system.
 */
export class ImageFile implements LayoutSink {
  readonly #fd: number;
  readonly #feed: BlockFeed;
  /** Bytes that are not written yet, in memory of the feed. */
  #buffer: Uint8Array;
  #filled = 0;
  #flushedTo = BLOCK_BYTES;
  #isOpen = true;

  constructor(path: string, feed?: BlockFeed) {
    this.#fd = openSync(path, CREATE, OWNER_ONLY);
    this.#feed = feed ?? createBufferFeed();
    this.#buffer = this.#feed.acquire();
  }

  /** The block to which the next byte belongs; after `padBlock` it is an empty block. */
  get block(): number {
    return Math.floor((this.#flushedTo + this.#filled) / BLOCK_BYTES);
  }

  append(bytes: Uint8Array): void {
    const room = BUFFER_BYTES - this.#filled;
    if (bytes.length < room) {
      this.#buffer.set(bytes, this.#filled);
      this.#filled += bytes.length;
      return;
    }
    this.#buffer.set(bytes.subarray(0, room), this.#filled);
    this.#filled = BUFFER_BYTES;
    this.#flush();
    for (let at = room; at < bytes.length; at += BUFFER_BYTES) this.append(bytes.subarray(at, at + BUFFER_BYTES));
  }

  pad(bytes: number): void {
    for (let left = bytes; left > 0; ) {
      const part = Math.min(left, BUFFER_BYTES - this.#filled);
      this.#buffer.fill(0, this.#filled, this.#filled + part);
      this.#filled += part;
      left -= part;
      if (this.#filled === BUFFER_BYTES) this.#flush();
    }
  }

  padBlock(): void {
    const used = this.#filled % BLOCK_BYTES;
    if (used > 0) this.pad(BLOCK_BYTES - used);
  }

  /** Pads the image to a whole block, and writes its first block. */
  finish(superblock: Uint8Array): ErofsImage {
    this.padBlock();
    this.#flush();
    this.#buffer.set(superblock);
    this.#writeAt(this.#buffer.subarray(0, BLOCK_BYTES), 0);
    this.#feed.publish(BLOCK_BYTES);
    this.#feed.end();
    return { imageBytes: this.#flushedTo };
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }

  #flush(): void {
    if (this.#filled === 0) return;
    this.#writeAt(this.#buffer.subarray(0, this.#filled), this.#flushedTo);
    this.#feed.publish(this.#filled);
    this.#buffer = this.#feed.acquire();
    this.#flushedTo += this.#filled;
    this.#filled = 0;
  }

  #writeAt(bytes: Uint8Array, position: number): void {
    if (!this.#isOpen) throw new SealiftError('INTERNAL', 'write image: expected an open file, got a closed one');
    writeAll(this.#fd, bytes, position);
  }
}

/** Creates a feed without a reader: one buffer, which is written again and again. */
function createBufferFeed(): BlockFeed {
  const buffer = spareBuffer ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  spareBuffer = undefined;
  return {
    acquire: () => buffer,
    publish: () => {},
    end: () => {
      spareBuffer = buffer;
    },
  };
}
