import { closeSync, constants, openSync, symlinkSync } from 'node:fs';
import type { ByteString } from '../../bytes/index.ts';
import { mknod, S_IFMT } from '../../platform/index.ts';
import {
  type Attributes,
  assertLinkText,
  type Device,
  joinPath,
  type LayerTree,
  type TreeName,
} from '../tree/index.ts';
import type { AttributeApplier } from './apply-attributes.ts';
import { toSystemPath } from './system-path.ts';
import type { TreeDisk } from './tree-disk.ts';

const CREATE_FILE = constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW | constants.O_WRONLY;
const PERMISSIONS = 0o777;
const OWNER_WRITES = 0o600;

/** The tree, the directory on disk that it is made in, and the applier of attributes. */
export interface Target {
  readonly tree: LayerTree;
  readonly disk: TreeDisk;
  readonly attributes: AttributeApplier;
}

/** An ordinary user can set attributes only on files that they may write, whatever the final mode is. */
function creationMode({ mode, xattrs }: Attributes): number {
  return xattrs.size > 0 ? OWNER_WRITES : mode & PERMISSIONS;
}

interface FinishedFile {
  readonly path: ByteString;
  readonly attributes: Attributes;
}

/** Opens a new file for writing; the caller closes it. Never opens a file that exists. */
export function createFile(target: Target, path: ByteString, attributes: Attributes): number {
  return target.disk.reach(path, (at) => openSync(at, CREATE_FILE, creationMode(attributes)));
}

/** Sets the attributes of a complete file and closes it, also when that fails. */
export function finishFile(target: Target, fd: number, { path, attributes }: FinishedFile): void {
  try {
    target.disk.reach(path, (at) => {
      const made = { type: 'file', path: at, mode: creationMode(attributes) } as const;
      target.attributes.applyToFile(fd, made, attributes);
    });
  } finally {
    closeSync(fd);
  }
}

/** Any text of a link is kept as it is; only paths that are resolved through it are confined to the root. */
export function makeSymlink(target: Target, at: TreeName, link: SymlinkText): void {
  assertLinkText(link.text);
  target.disk.reach(joinPath(at.parent.path, at.name), (path) => {
    symlinkSync(toSystemPath(link.text), path);
    target.attributes.applyToPath({ type: 'symlink', path, mode: link.attributes.mode }, link.attributes);
  });
  at.parent.node.children.set(at.name, { kind: 'symlink', layer: target.tree.layer, target: link.text });
}

interface SymlinkText {
  readonly text: ByteString;
  readonly attributes: Attributes;
}

export function makeDevice(target: Target, at: TreeName, device: Device & { attributes: Attributes }): void {
  const { type, attributes } = device;
  const mode = attributes.mode & PERMISSIONS;
  target.disk.reach(joinPath(at.parent.path, at.name), (path) => {
    mknod(path, deviceType(type) | mode, type === 'fifo' ? { major: 0, minor: 0 } : device);
    target.attributes.applyToPath({ type, path, mode }, attributes);
  });
}

function deviceType(type: Device['type']): number {
  if (type === 'fifo') return S_IFMT.FIFO;
  return type === 'char' ? S_IFMT.CHAR : S_IFMT.BLOCK;
}
