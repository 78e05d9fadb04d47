import type { ByteString } from '../../bytes/index.ts';
import type { EntryType } from '../types.ts';
import type { DropReason } from './tally.ts';

/** Overlayfs reads these, and an image must not control the overlay that it is mounted with. */
const OVERLAY_PREFIXES = ['trusted.overlay.', 'user.overlay.'];

/** Returns why an extended attribute is left out on every file system, or undefined when it is kept. */
export function refuseXattr(type: EntryType, name: ByteString, privileged: boolean): DropReason | undefined {
  if (OVERLAY_PREFIXES.some((prefix) => name.startsWith(prefix))) return 'overlay-xattr';
  // Labels belong to the policy of the machine that runs the image; umoci and containers/storage drop them too.
  if (name === 'security.selinux') return 'selinux-xattr';
  if (name === 'system.nfs4_acl') return 'nfs4-acl';
  if (!privileged && (name.startsWith('trusted.') || name.startsWith('security.'))) return 'xattr-without-root';
  // xattr(7): user attributes exist on files and directories only.
  if (name.startsWith('user.') && type !== 'file' && type !== 'directory') return 'user-xattr-on-special';
  return undefined;
}
