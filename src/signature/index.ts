export { type AuthorizedImage, assertAuthorized, authoriseImage } from './authorise-image.ts';
export { createKeyLoader } from './create-key-loader.ts';
export { parsePolicy } from './policy/index.ts';
export { signatureFinders } from './signature-finders.ts';
export type { Evidence, FindSignatures, ImageProof, KeyLoader, PolicyChoice, SignatureSearch } from './types.ts';
