import { type ByteString, fromByteString } from '../bytes/index.ts';

/** The empty path: the root of a layer. */
export const ROOT = '' as ByteString;

/** Returns `usr/lib` for `usr/lib/x`, and the root for a name without a slash. */
export function parentPath(path: ByteString): ByteString {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0)) as ByteString;
}

/** Returns 2 for `usr/lib`, and 1 for a name without a slash and for the root. */
export function countNames(path: ByteString): number {
  let count = 1;
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) count += 1;
  return count;
}

/** Returns `usr/lib` for `usr` and `lib`. */
export function childPath(directory: ByteString, name: ByteString): ByteString {
  return directory === ROOT ? name : (`${directory}/${name}` as ByteString);
}

/** Returns the bytes of `path` below `directory`. */
export function pathInside(directory: string, path: ByteString): Buffer {
  const base = Buffer.from(directory);
  return path === ROOT ? base : Buffer.concat([base, Buffer.from('/'), fromByteString(path)]);
}
