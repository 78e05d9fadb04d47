import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import {
  type AuthorizedImage,
  authoriseImage,
  createKeyLoader,
  type PolicyChoice,
} from '../../../src/signature/index.ts';
import { NO_EVIDENCE } from '../../../src/signature/search/evidence.ts';
import type { ImageCandidate } from '../../../src/signature/types.ts';
import { memoryLoader } from '../resources/memory-loader.ts';
import { INLINE_VERIFIER } from './simple-signatures.ts';

/** Asks the gate about an image of which no signature was found, with a policy whose key files do not exist. */
export function authoriseUnsigned(policy: PolicyChoice, candidate: ImageCandidate): Promise<AuthorizedImage> {
  const keys = createKeyLoader({ resources: memoryLoader({}), limits: DEFAULT_LIMITS });
  const { signal } = new AbortController();
  return authoriseImage(policy, candidate, { evidence: [NO_EVIDENCE], keys, verifier: INLINE_VERIFIER, signal });
}
