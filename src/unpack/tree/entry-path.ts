import type { ByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';

/**
 * Returns the components of an attacker-controlled name, taken lexically: leading slashes and `.` are dropped, `..`
 * removes the component before it. Empty for the root. Throws UNPACK_PATH_ESCAPE when `..` leads above the root, and
 * UNPACK_ENTRY_INVALID for a NUL, at which the kernel would end the name.
 */
export function parseEntryPath(unsafePath: ByteString): ByteString[] {
  if (unsafePath.includes('\0')) throw new SealiftError('UNPACK_ENTRY_INVALID', 'expected a name without NUL, got one');
  const components: ByteString[] = [];
  for (const part of splitComponents(unsafePath)) {
    if (part === '' || part === '.') continue;
    if (part !== '..') components.push(part);
    else if (components.pop() === undefined) {
      throw new SealiftError(
        'UNPACK_PATH_ESCAPE',
        'expected a path inside the layer, got one that leads above its root',
      );
    }
  }
  return components;
}

/** Splits at slashes and keeps every part, dots and empty parts included. */
export function splitComponents(path: ByteString): ByteString[] {
  // A part of a byte string is a byte string.
  return path.split('/') as ByteString[];
}

export function joinPath(parent: ByteString, name: ByteString): ByteString {
  return (parent === '' ? name : `${parent}/${name}`) as ByteString;
}
