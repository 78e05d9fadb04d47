import { linkSync, mkdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { type ByteString, toByteString } from '../../bytes/index.ts';
import type { SystemPath } from '../../platform/index.ts';
import { IMPLIED_ATTRIBUTES, type NameStore } from '../tree/index.ts';
import { toSystemPath } from './system-path.ts';

/** A directory of the file system that no other program can reach. */
export class TreeDisk implements NameStore {
  readonly #rootPath: ByteString;

  constructor(root: string) {
    this.#rootPath = toByteString(Buffer.from(root));
  }

  systemPath(path: ByteString): SystemPath {
    return toSystemPath(path === '' ? this.#rootPath : (`${this.#rootPath}/${path}` as ByteString));
  }

  makeDirectory(path: ByteString): void {
    mkdirSync(this.systemPath(path), IMPLIED_ATTRIBUTES.mode);
  }

  removeDirectory(path: ByteString): void {
    rmdirSync(this.systemPath(path));
  }

  removeLeaf(path: ByteString): void {
    unlinkSync(this.systemPath(path));
  }

  link(from: ByteString, to: ByteString): void {
    linkSync(this.systemPath(from), this.systemPath(to));
  }
}
