import { type ByteString, fromByteString } from '../bytes/index.ts';

/** The empty path: the root of a layer. */
export const ROOT = '' as ByteString;

/** `usr/lib` of `usr/lib/x`; the root of a name without a slash. */
export function parentPath(path: ByteString): ByteString {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0)) as ByteString;
}

/** The bytes that name `path` below `directory`. */
export function pathInside(directory: string, path: ByteString): Buffer {
  const base = Buffer.from(directory);
  return path === ROOT ? base : Buffer.concat([base, Buffer.from('/'), fromByteString(path)]);
}
