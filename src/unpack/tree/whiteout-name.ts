import { type ByteString, showByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';

const PREFIX = '.wh.';
const META_PREFIX = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

/** The meaning of the last component of a name. */
export type NameMeaning =
  | { readonly kind: 'plain' }
  | { readonly kind: 'whiteout'; readonly name: ByteString }
  | { readonly kind: 'opaque' }
  | { readonly kind: 'ignored' };

const PLAIN: NameMeaning = { kind: 'plain' };

/**
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts; other `.wh..wh.` names are metadata of
 * aufs. Throws UNPACK_ENTRY_INVALID for a whiteout of nothing, of `.` or of `..`.
 */
export function parseWhiteoutName(name: ByteString): NameMeaning {
  if (!name.startsWith(PREFIX)) return PLAIN;
  if (name === OPAQUE) return { kind: 'opaque' };
  if (name.startsWith(META_PREFIX)) return { kind: 'ignored' };
  const hidden = name.slice(PREFIX.length) as ByteString;
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw new SealiftError('UNPACK_ENTRY_INVALID', `expected a whiteout of a name, got ${name}`);
  }
  return { kind: 'whiteout', name: hidden };
}

/** True for a directory of aufs metadata; a whiteout prefix on any other directory throws UNPACK_ENTRY_INVALID. */
export function isIgnoredDirectory(name: ByteString): boolean {
  if (!name.startsWith(PREFIX)) return false;
  if (name.startsWith(META_PREFIX)) return true;
  throw new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `expected a directory without the whiteout prefix, got ${showByteString(name)}`,
  );
}
