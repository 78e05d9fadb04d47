import { chmodSync } from 'node:fs';
import type { ByteString } from '../../bytes/index.ts';
import { lutimes, type SystemPath } from '../../platform/index.ts';
import { type Change, type DirectoryNode, IMPLIED_ATTRIBUTES } from '../tree/index.ts';
import type { ImpliedDirectory } from '../types.ts';
import type { Target } from './make-node.ts';

const DEFAULT_ACL = 'system.posix_acl_default' as ByteString;
const SETGID = 0o2000;
const OWNER_ALL = 0o700;

/**
 * Sets the attributes of the directories that a layer made or changed, the deepest first. Earlier, a setgid bit or a
 * default ACL would pass on to what is made inside, and a time would not last. A merged tree has no implied directories.
 */
export function finishMerged(target: Target): ImpliedDirectory[] {
  for (const change of target.tree.takeChanges()) {
    target.disk.reach(change.path, (systemPath) => finishDirectory(target, change, systemPath));
  }
  return [];
}

function finishDirectory({ tree, attributes }: Target, change: Change, systemPath: SystemPath): void {
  const { node, path, scope } = change;
  const wanted = node.attributes ?? IMPLIED_ATTRIBUTES;
  if (scope === 'times') {
    lutimes(systemPath, wanted.mtime.seconds, wanted.mtime.nanoseconds);
    return;
  }
  if (node.finished) attributes.clearXattrs(systemPath);
  const asMade = path !== '' && !node.finished;
  attributes.applyToPath(
    { type: 'directory', path: systemPath, mode: asMade ? IMPLIED_ATTRIBUTES.mode : undefined },
    wanted,
  );
  node.finished = true;
  if (interferes(node)) tree.interfering.set(node, path);
}

/** True if the mode would keep the next layer out, or if what it makes there would inherit a group or an ACL. */
function interferes({ attributes }: DirectoryNode): boolean {
  if (attributes === undefined) return false;
  const { mode, xattrs } = attributes;
  return (mode & SETGID) !== 0 || (mode & OWNER_ALL) !== OWNER_ALL || xattrs.has(DEFAULT_ACL);
}

/** Resets the mode and attributes of interfering directories, the outermost first, before the next layer begins. */
export function reopenMerged({ tree, disk, attributes }: Target): void {
  const reopened = [...tree.interfering].sort(([, one], [, other]) => one.length - other.length);
  tree.interfering.clear();
  for (const [node, path] of reopened) {
    disk.reach(path, (systemPath) => {
      chmodSync(systemPath, IMPLIED_ATTRIBUTES.mode);
      attributes.clearXattrs(systemPath);
    });
    tree.changeAll({ node, path });
  }
}
