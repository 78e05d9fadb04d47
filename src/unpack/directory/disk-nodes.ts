import { closeSync, ftruncateSync } from 'node:fs';
import type { ByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';
import { lsetxattr, mknod, S_IFMT, writeAll } from '../../platform/index.ts';
import {
  type Attributes,
  type Device,
  finishOverlay,
  IMPLIED_ATTRIBUTES,
  joinPath,
  type LayerTree,
  type LeafNode,
  type NodeMaker,
  RunCursor,
  type Tally,
  type TreeDirectory,
  type TreeName,
} from '../tree/index.ts';
import type { ImpliedDirectory, LowerNode, TarEntry } from '../types.ts';
import { AttributeApplier } from './apply-attributes.ts';
import { copyLower } from './copy-lower.ts';
import { finishMerged, reopenMerged } from './finish-merged.ts';
import { createFile, finishFile, makeDevice, makeSymlink, type Target } from './make-node.ts';
import type { TreeDisk } from './tree-disk.ts';
import { describeWriteFailure } from './write-failure.ts';

const OPAQUE_XATTR = 'trusted.overlay.opaque';
const OPAQUE_VALUE = Buffer.from('y');

interface DiskOptions {
  readonly root: string;
  readonly form: 'overlay' | 'merged';
  readonly privileged: boolean;
  readonly tree: LayerTree;
  readonly tally: Tally;
  readonly disk: TreeDisk;
}

interface OpenFile {
  readonly fd: number;
  readonly path: ByteString;
  readonly entry: TarEntry;
  /** Set for a sparse file. */
  readonly cursor: RunCursor | undefined;
}

/** Makes the nodes of a tree in a directory of the file system, with one system call or a few for each. */
export class DiskNodes implements NodeMaker {
  readonly #root: string;
  readonly #form: DiskOptions['form'];
  readonly #target: Target;
  #file: OpenFile | undefined;
  #leaf: LeafNode = { kind: 'other', layer: 0 };

  constructor({ root, form, privileged, tree, tally, disk }: DiskOptions) {
    this.#root = root;
    this.#form = form;
    this.#target = { tree, disk, attributes: new AttributeApplier({ privileged, tally }) };
  }

  openFile({ parent, name }: TreeName, entry: TarEntry): void {
    const path = joinPath(parent.path, name);
    const fd = createFile(this.#target, path, entry);
    parent.node.children.set(name, this.#leaf);
    const cursor = entry.sparse === undefined ? undefined : new RunCursor(entry.sparse.runs);
    this.#file = { fd, path, entry, cursor };
  }

  write(chunk: Uint8Array): void {
    const { fd, cursor } = this.#opened();
    if (cursor === undefined) writeAll(fd, chunk, null);
    else cursor.spread(chunk, (part, offset) => writeAll(fd, part, offset));
  }

  finishFile(): void {
    const { fd, path, entry } = this.#opened();
    // What lies behind the last run is a hole as well.
    if (entry.sparse !== undefined) ftruncateSync(fd, entry.sparse.size);
    this.#file = undefined;
    finishFile(this.#target, fd, { path, attributes: entry });
  }

  makeSymlink(at: TreeName, text: ByteString, attributes: Attributes): void {
    makeSymlink(this.#target, at, { text, attributes });
  }

  makeDevice(at: TreeName, device: Device, attributes: Attributes): void {
    makeDevice(this.#target, at, { ...device, attributes });
    at.parent.node.children.set(at.name, this.#leaf);
  }

  copyLower(from: LowerNode, at: TreeName): number {
    return copyLower(this.#target, from, at);
  }

  makeWhiteout({ path }: TreeDirectory, name: ByteString): void {
    this.#target.disk.reach(joinPath(path, name), (at) => mknod(at, S_IFMT.CHAR, { major: 0, minor: 0 }));
  }

  finishDirectory({ node, path }: TreeDirectory): void {
    const mode = path === '' ? undefined : IMPLIED_ATTRIBUTES.mode;
    this.#target.disk.reach(path, (systemPath) => {
      if (node.opaque) lsetxattr(systemPath, OPAQUE_XATTR, OPAQUE_VALUE);
      const made = { type: 'directory', path: systemPath, mode } as const;
      this.#target.attributes.applyToPath(made, node.attributes ?? IMPLIED_ATTRIBUTES);
    });
  }

  beginLayer(): void {
    reopenMerged(this.#target);
    this.#leaf = { kind: 'other', layer: this.#target.tree.layer };
  }

  endLayer(): ImpliedDirectory[] {
    return this.#form === 'overlay' ? finishOverlay(this.#target.tree, this) : finishMerged(this.#target);
  }

  describeFailure(error: unknown): unknown {
    return describeWriteFailure(error, this.#root);
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file.fd);
    this.#file = undefined;
  }

  #opened() {
    if (this.#file === undefined) throw new SealiftError('INTERNAL', 'unpack file: expected one to be open, got none');
    return this.#file;
  }
}
