import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { mustRun } from '../machine/commands.ts';

export interface Extent {
  readonly start: number;
  readonly length: number;
}

const CHUNK_BYTES = 1 << 20;

/** The host's side of a disk: a sparse file, whose bytes may be read and changed while a VM uses it. */
export class DiskImage {
  readonly path: string;
  readonly size: number;

  private constructor(path: string, size: number) {
    this.path = path;
    this.size = size;
  }

  /** Makes the file, or makes it longer; it is never cut. */
  static create(path: string, size: number): DiskImage {
    const file = openSync(path, 'a');
    try {
      if (fstatSync(file).size < size) ftruncateSync(file, size);
      return new DiskImage(path, fstatSync(file).size);
    } finally {
      closeSync(file);
    }
  }

  /** Bytes after the end of the file are not returned. */
  read(offset: number, length: number): Buffer {
    return this.#withFile('r', (file) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.size) throw new RangeError(`${this.path} has ${this.size} bytes only`);
    this.#withFile('r+', (file) => {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(file, bytes, done, bytes.length - done, offset + done);
      }
    });
  }

  flipBit(offset: number, bit = 0): void {
    const [byte = 0] = this.read(offset, 1);
    this.write(offset, Uint8Array.of(byte ^ (1 << bit)));
  }

  /** Space that the file takes on the host's disk. */
  allocatedBytes(): number {
    return statSync(this.path).blocks * 512;
  }

  /** Lists the ranges in which the file has data; the rest are holes. */
  async listExtents(): Promise<Extent[]> {
    const listed = await mustRun('qemu-img', ['map', '-U', '-f', 'raw', '--output=json', this.path]);
    const extents: (Extent & { readonly data: boolean })[] = JSON.parse(listed.toString());
    return extents.filter(({ data }) => data).map(({ start, length }) => ({ start, length }));
  }

  /** Returns the first offset of the bytes at or after `from`. */
  async find(needle: Uint8Array, from = 0): Promise<number | undefined> {
    for (const extent of await this.listExtents()) {
      const end = extent.start + extent.length;
      for (let offset = Math.max(extent.start, from); offset < end; offset += CHUNK_BYTES) {
        // Reads past the chunk, so that words across its border are found; past the extent they may continue in a hole.
        const found = this.read(offset, CHUNK_BYTES + needle.length - 1).indexOf(needle);
        if (found !== -1) return offset + found;
      }
    }
    return undefined;
  }

  /** A copy beside the file, to be restored from. */
  async takeSnapshot(): Promise<DiskImage> {
    const path = join(dirname(this.path), `snapshot-${randomUUID()}`);
    if (this.allocatedBytes() === 0) return DiskImage.create(path, this.size);
    await mustRun('cp', ['--sparse=always', this.path, path]);
    return new DiskImage(path, this.size);
  }

  /** Restores an earlier state of the disk, whole or in part. The guest's own caches still have the newer bytes. */
  async restore(snapshot: DiskImage, range: Extent = { start: 0, length: this.size }): Promise<void> {
    const extents = [...(await this.listExtents()), ...(await snapshot.listExtents())];
    for (const extent of extents) {
      const start = Math.max(extent.start, range.start);
      const end = Math.min(extent.start + extent.length, range.start + range.length);
      for (let offset = start; offset < end; offset += CHUNK_BYTES) {
        this.write(offset, snapshot.read(offset, Math.min(CHUNK_BYTES, end - offset)));
      }
    }
  }

  #withFile<T>(flags: string, use: (file: number) => T): T {
    const file = openSync(this.path, flags);
    try {
      return use(file);
    } finally {
      closeSync(file);
    }
  }
}
