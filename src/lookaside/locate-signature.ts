import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../oci/index.ts';

/**
 * Returns the address of a signature: `BASE/REPOSITORY@ALGORITHM=HEX/signature-N`, with the repository without its host.
 * The digest is checked once more, because a text with `/../` in it would name another file. Throws `DIGEST_INVALID`.
 * https://nvd.nist.gov/vuln/detail/CVE-2024-3727
 * https://github.com/containers/image/blob/v5.36.2/docs/signature-protocols.md#dockerdistribution-registriesseparate-storage
 */
export function locateSignature(base: URL, repository: string, { digest, position }: SignatureName): URL {
  const checked = parseDigest(digest);
  const location = new URL(base);
  const folder = `${repository}@${digestAlgorithm(checked)}=${digestHex(checked)}`;
  location.pathname = `${base.pathname.replace(/\/+$/, '')}/${folder}/signature-${position}`;
  return location;
}

export interface SignatureName {
  readonly digest: Digest;
  /** Counted from 1. */
  readonly position: number;
}
