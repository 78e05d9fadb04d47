import type { ByteString } from '../../bytes/index.ts';
import type { EntryType } from '../types.ts';
import type { DropReason } from './tally.ts';

/** A new mount of the image must not take orders from the image. */
const OVERLAY_PREFIXES = ['trusted.overlay.', 'user.overlay.'];

/** Why an extended attribute is left out on purpose, whatever the file system could hold; undefined when it is kept. */
export function refuseXattr(type: EntryType, name: ByteString, privileged: boolean): DropReason | undefined {
  if (OVERLAY_PREFIXES.some((prefix) => name.startsWith(prefix))) return 'overlay-xattr';
  // Labels belong to the policy of the machine that runs the image, as umoci and containers/storage have it.
  if (name === 'security.selinux') return 'selinux-xattr';
  if (name === 'system.nfs4_acl') return 'nfs4-acl';
  if (!privileged && (name.startsWith('trusted.') || name.startsWith('security.'))) return 'xattr-without-root';
  // xattr(7): user attributes exist on files and directories only.
  if (name.startsWith('user.') && type !== 'file' && type !== 'directory') return 'user-xattr-on-special';
  return undefined;
}
