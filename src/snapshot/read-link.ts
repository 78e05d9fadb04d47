import { readlinkSync } from 'node:fs';
import { type ByteString, toByteString } from '../bytes/index.ts';
import { reachInside } from './reach-inside.ts';

/** Returns the text of a symlink of a layer. Every parent of `path` must be a real directory of that layer. */
export function readLink(layer: string, path: ByteString): ByteString {
  return toByteString(reachInside(layer, path, (at) => readlinkSync(at, { encoding: 'buffer' })));
}
