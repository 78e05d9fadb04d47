import { linkSync, mkdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { type ByteString, toByteString } from '../../bytes/index.ts';
import { type SystemPath, withReachablePath } from '../../platform/index.ts';
import { IMPLIED_ATTRIBUTES, type NameStore } from '../tree/index.ts';
import { toSystemPath } from './system-path.ts';

/** A directory of the file system that no other program can reach. */
export class TreeDisk implements NameStore {
  readonly #rootPath: ByteString;

  constructor(root: string) {
    this.#rootPath = toByteString(Buffer.from(root));
  }

  /** Calls `use` with the path for system calls, which is valid until `use` returns. */
  reach<Result>(path: ByteString, use: (systemPath: SystemPath) => Result): Result {
    const absolute = path === '' ? this.#rootPath : (`${this.#rootPath}/${path}` as ByteString);
    return withReachablePath(toSystemPath(absolute), use);
  }

  makeDirectory(path: ByteString): void {
    this.reach(path, (at) => mkdirSync(at, IMPLIED_ATTRIBUTES.mode));
  }

  removeDirectory(path: ByteString): void {
    this.reach(path, (at) => rmdirSync(at));
  }

  removeLeaf(path: ByteString): void {
    this.reach(path, (at) => unlinkSync(at));
  }

  link(from: ByteString, to: ByteString): void {
    this.reach(from, (existing) => this.reach(to, (at) => linkSync(existing, at)));
  }
}
