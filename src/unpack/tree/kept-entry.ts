import type { TarEntry } from '../types.ts';
import type { Attributes } from './trie.ts';

/** What a run of a sparse file takes in memory. */
const RUN_BYTES = 64;

/**
 * Returns the number of bytes of an entry that may stay in memory: a part of a name keeps the whole string alive, and
 * attributes are kept until the layer ends.
 */
export function keptBytes({ unsafeName, unsafeLinkname, xattrs, sparse }: TarEntry): number {
  let bytes = unsafeName.length + unsafeLinkname.length;
  for (const [name, value] of xattrs) bytes += name.length + value.length;
  if (sparse !== undefined) bytes += sparse.runs.length * RUN_BYTES;
  return bytes;
}

/** Copies the attributes, because the entry's memory may be reused before they are set on the directory. */
export function keepAttributes({ mode, uid, gid, mtime, xattrs }: TarEntry): Attributes {
  return { mode, uid, gid, mtime, xattrs: new Map([...xattrs].map(([name, value]) => [name, Buffer.from(value)])) };
}
