import { lstatSync } from 'node:fs';
import type { SocketFacts } from './daemon-types.ts';

const PERMISSIONS = 0o777;

/** See {@link DoctorOperations.examineSocket}. */
export function examineSocket({ path }: { readonly path: string }): SocketFacts {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return { kind: 'absent' };
  if (!found.isSocket()) return { kind: 'other' };
  return { kind: 'socket', owner: found.uid, mode: found.mode & PERMISSIONS };
}
