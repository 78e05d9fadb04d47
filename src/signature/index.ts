export { type AuthorizedImage, assertAuthorized, authoriseImage } from './authorise-image.ts';
export { createKeyLoader } from './create-key-loader.ts';
export { gatherEvidence } from './gather-evidence.ts';
export { loadPolicy } from './load-policy.ts';
export type { ImageProof, KeyLoader, LookasideStore, PolicyChoice, SignatureSource } from './types.ts';
