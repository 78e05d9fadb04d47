import { SealiftError } from '../errors/index.ts';
import { PeerFailure, type RingAbortReason } from './peer-failure.ts';

/**
 * True for a failure that altered bytes can have caused, so that the blob's digest has to decide first: content that a
 * stage refused. A full or broken disk, a limit, a thread that has died and a bug are final, whatever the digest is.
 */
export function blamesBytes(error: unknown): boolean {
  if (error instanceof PeerFailure) return error.peerRefusedBytes;
  if (!(error instanceof SealiftError) || error.code === 'UNPACK_FILESYSTEM_UNSUPPORTED') return false;
  return error.kind === 'corrupt' || error.kind === 'unsupported';
}

/** Returns how a role that fails with this error aborts its rings. */
export function abortReason(error: unknown): RingAbortReason {
  return blamesBytes(error) ? 'peer-refused' : 'peer-failed';
}
