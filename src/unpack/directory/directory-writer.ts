import { readdirSync } from 'node:fs';
import { SealiftError } from '../../errors/index.ts';
import { llistxattr, lremovexattr } from '../../platform/index.ts';
import { type LayerTree, type Tally, TreeWriter, type TreeWriterOptions } from '../tree/index.ts';
import type { EntrySink, LayerFacts } from '../types.ts';
import { DiskNodes } from './disk-nodes.ts';
import { TreeDisk } from './tree-disk.ts';

export interface DirectoryWriterOptions extends Omit<TreeWriterOptions, 'names' | 'createNodes'> {
  /** An existing, empty directory that no other program can reach. */
  readonly root: string;
}

/** Unpacks entries into a directory. After a call has thrown only `close` may follow. */
export interface DirectoryWriter extends EntrySink {
  /** `merged` only, after an `end`: the entries that follow are those of the next layer. */
  beginLayer(): void;
  /** Returns the facts about the layer that ended last; throws INTERNAL while one is being applied. */
  facts(): LayerFacts;
  /** Closes what an unfinished layer holds open. The caller removes the directory. */
  close(): void;
}

/** Throws UNPACK_TARGET_INVALID unless the root is an empty directory. */
export function createDirectoryWriter(options: DirectoryWriterOptions): DirectoryWriter {
  if (options.form === 'overlay' && !options.privileged) {
    throw new SealiftError(
      'PRIVILEGE_REQUIRED',
      'unpack layer: expected root for the overlay form, got an ordinary user',
    );
  }
  if (options.form === 'merged' && options.lower !== undefined) {
    throw new SealiftError('INTERNAL', 'unpack layer: expected no lower view in the merged form, got one');
  }
  const present = readdirSync(options.root).length;
  if (present > 0) {
    throw new SealiftError(
      'UNPACK_TARGET_INVALID',
      `unpack into ${options.root}: expected an empty directory, got ${present} names`,
    );
  }
  dropInheritedAcl(options.root);
  const disk = new TreeDisk(options.root);
  const createNodes = (tree: LayerTree, tally: Tally) => new DiskNodes({ ...options, tree, tally, disk });
  return new TreeWriter({ ...options, names: disk, createNodes });
}

/** Removes the ACLs that the root inherited from its parent; everything made inside would inherit them too. */
function dropInheritedAcl(root: string): void {
  for (const name of llistxattr(root)) {
    if (name.toString('latin1').startsWith('system.posix_acl_')) lremovexattr(root, name);
  }
}
