import type { ByteString } from '../bytes/index.ts';
import { type SystemPath, withReachablePath } from '../platform/index.ts';
import { pathInside } from './path.ts';

/** Calls `use` with the path of a node of a layer or upper for system calls, which is valid until `use` returns. */
export function reachInside<Result>(directory: string, path: ByteString, use: (at: SystemPath) => Result): Result {
  return withReachablePath(pathInside(directory, path), use);
}
