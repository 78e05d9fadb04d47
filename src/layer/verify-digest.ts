import { createHash } from 'node:crypto';
import type { ByteSink } from '../bytes/index.ts';
import { type ErrorCode, SealiftError } from '../errors/index.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/index.ts';
import type { FlowSink } from './flow-sink.ts';

/** The digest that the bytes must have, and how a mismatch is reported. */
export interface DigestSubject {
  readonly digest: Digest;
  readonly what: 'blob' | 'diffID';
  readonly code: Extract<ErrorCode, 'BLOB_DIGEST_MISMATCH' | 'DIFFID_MISMATCH'>;
}

/**
 * Hashes all bytes that pass. `end` throws unless they hash to the digest, so the next stage cannot accept other
 * bytes.
 */
export function verifyDigest(subject: DigestSubject, next: ByteSink): ByteSink;
export function verifyDigest(subject: DigestSubject, next: FlowSink): FlowSink;
export function verifyDigest(subject: DigestSubject, next: FlowSink): FlowSink {
  const { digest, what, code } = subject;
  const hash = createHash(digestAlgorithm(digest));
  return {
    write(chunk) {
      hash.update(chunk);
      return next.write(chunk);
    },
    end() {
      const actual = hash.digest('hex');
      if (actual !== digestHex(digest)) {
        throw new SealiftError(code, `${what} ${digest}: expected ${digestHex(digest)}, got ${actual}`, {
          context: { expected: digest, actual: `${digestAlgorithm(digest)}:${actual}` },
        });
      }
      return next.end();
    },
  };
}
