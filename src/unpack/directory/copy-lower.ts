import { type BigIntStats, closeSync, constants, copyFileSync, ftruncateSync, lstatSync, openSync } from 'node:fs';
import { type ByteString, showByteString, toByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';
import { lgetxattr, llistxattr, type SystemPath, withReachablePath, writeAll } from '../../platform/index.ts';
import { type Attributes, joinPath, RunCursor, type TreeName } from '../tree/index.ts';
import type { LowerNode } from '../types.ts';
import { type FileContent, openFileContent } from './file-content.ts';
import { createFile, finishFile, makeDevice, makeSymlink, type Target } from './make-node.ts';
import { toSystemPath } from './system-path.ts';

const NANOSECONDS = 1_000_000_000n;

/**
 * Copies a node other than a directory from a layer below into the tree, with all its attributes, so that the layer
 * being applied can link to it. Returns the bytes of content written.
 */
export function copyLower(target: Target, from: LowerNode, at: TreeName): number {
  return withReachablePath(toSystemPath(from.realPath), (source) => copyNode(target, { from, source, at }));
}

interface NodeCopy {
  readonly from: LowerNode;
  readonly source: SystemPath;
  readonly at: TreeName;
}

function copyNode(target: Target, { from, source, at }: NodeCopy): number {
  const stat = lstatSync(source, { bigint: true });
  const attributes = readAttributes(source, stat);
  if (stat.isFile()) return copyFile(target, source, { at, stat, attributes });
  if (from.type === 'symlink' && from.target !== undefined) {
    makeSymlink(target, at, { text: from.target, attributes });
    return 0;
  }
  makeDevice(target, at, { ...deviceOf(stat, from), attributes });
  at.parent.node.children.set(at.name, { kind: 'other', layer: target.tree.layer });
  return 0;
}

interface FileCopy {
  readonly at: TreeName;
  readonly stat: BigIntStats;
  readonly attributes: Attributes;
}

function copyFile(target: Target, source: SystemPath, { at, stat, attributes }: FileCopy): number {
  const path = joinPath(at.parent.path, at.name);
  closeSync(createFile(target, path, attributes));
  const { copiedBytes, fd } = target.disk.reach(path, (destination) => {
    const copiedBytes = copyContent(source, destination, Number(stat.size));
    return { copiedBytes, fd: openSync(destination, constants.O_WRONLY | constants.O_NOFOLLOW) };
  });
  at.parent.node.children.set(at.name, { kind: 'other', layer: target.tree.layer });
  finishFile(target, fd, { path, attributes });
  return copiedBytes;
}

/** Holes stay holes: a small layer may have files of many gigabytes. */
function copyContent(source: SystemPath, destination: SystemPath, size: number): number {
  const content = openFileContent(source, size);
  try {
    if (content.hasHoles) return copyRuns(content, destination, size);
    copyFileSync(source, destination, constants.COPYFILE_FICLONE);
    return size;
  } finally {
    content.close();
  }
}

function copyRuns(content: FileContent, destination: SystemPath, size: number): number {
  const fd = openSync(destination, constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    const cursor = new RunCursor(content.runs);
    const write = (part: Uint8Array, offset: number): void => writeAll(fd, part, offset);
    const copied = content.copyTo({ write: (chunk) => cursor.spread(chunk, write) });
    ftruncateSync(fd, size);
    return copied;
  } finally {
    closeSync(fd);
  }
}

export function deviceOf(stat: BigIntStats, from: LowerNode) {
  const { rdev } = stat;
  const major = Number(((rdev >> 32n) & 0xfffff000n) | ((rdev >> 8n) & 0xfffn));
  const minor = Number(((rdev >> 12n) & 0xffffff00n) | (rdev & 0xffn));
  if (stat.isFIFO()) return { type: 'fifo', major, minor } as const;
  if (stat.isCharacterDevice()) return { type: 'char', major, minor } as const;
  if (stat.isBlockDevice()) return { type: 'block', major, minor } as const;
  const shown = showByteString(from.realPath);
  throw new SealiftError('INTERNAL', `copy ${shown}: expected a file, link, device or fifo, got mode ${stat.mode}`);
}

export function readAttributes(path: SystemPath, stat: BigIntStats): Attributes {
  const xattrs = new Map<ByteString, Uint8Array>();
  for (const name of llistxattr(path)) {
    const value = lgetxattr(path, name);
    if (value !== undefined) xattrs.set(toByteString(name), value);
  }
  const nanoseconds = ((stat.mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  return {
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: { seconds: Number((stat.mtimeNs - nanoseconds) / NANOSECONDS), nanoseconds: Number(nanoseconds) },
    xattrs,
  };
}
