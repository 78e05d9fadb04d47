import { createHash } from 'node:crypto';
import { type Digest, parseDigest } from './digest.ts';

/** The digest of a small document that lies in memory whole. */
export function hashBytes(bytes: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);
}
