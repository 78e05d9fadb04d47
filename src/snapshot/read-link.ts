import { readlinkSync } from 'node:fs';
import { type ByteString, toByteString } from '../bytes/index.ts';
import { pathInside } from './path.ts';

/** Returns the text of a symlink of a layer. Every parent of `path` must be a real directory of that layer. */
export function readLink(layer: string, path: ByteString): ByteString {
  return toByteString(readlinkSync(pathInside(layer, path), { encoding: 'buffer' }));
}
