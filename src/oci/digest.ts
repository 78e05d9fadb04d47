import { createHash } from 'node:crypto';
import { SealiftError } from '../errors/index.ts';

/** `sha256:<64 hex>` or `sha512:<128 hex>`, lower case. */
export type Digest = string & { readonly __brand: 'Digest' };

const HEX_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha512', 128],
]);

export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(':');
  const hex = text.slice(colon + 1);
  return HEX_LENGTHS.get(text.slice(0, Math.max(colon, 0))) === hex.length && /^[0-9a-f]+$/.test(hex);
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests — throws `DIGEST_INVALID`. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new SealiftError('DIGEST_INVALID', `digest "${text}": expected sha256 or sha512, a colon and lower-case hex`);
}

export function digestAlgorithm(digest: Digest): 'sha256' | 'sha512' {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512';
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Returns the digest of a small document that is in memory as a whole. */
export function hashBytes(bytes: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);
}
