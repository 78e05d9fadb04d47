export { type AuthorizedImage, assertAuthorized, authoriseImage } from './authorise-image.ts';
export { createKeyLoader } from './create-key-loader.ts';
export { type Policy, parsePolicy } from './policy/index.ts';
export { signatureFinders } from './signature-finders.ts';
export type {
  AuthorizationBasis,
  Evidence,
  FindSignatures,
  ImageCandidate,
  ImageProof,
  KeyLoader,
  PolicyChoice,
  RawDocument,
  SignatureSearch,
} from './types.ts';
