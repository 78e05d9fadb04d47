import type { ImageReference } from '../oci/index.ts';
import type { AuthorizationBasis, ImageProof } from './types.ts';

/**
 * What proves the bytes of an image that may run. A policy that accepts a tag without a signature proves nothing about
 * them; a pinned digest does, whichever way the policy accepted the image.
 */
export function imageProof(basis: AuthorizationBasis, { digest }: Pick<ImageReference, 'digest'>): ImageProof {
  if (basis === 'signature') return 'signature';
  return digest === undefined ? 'none' : 'digest';
}
