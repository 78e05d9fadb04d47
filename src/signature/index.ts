export { type AuthorizedImage, assertAuthorized, authoriseImage } from './authorise-image.ts';
export { type Policy, parsePolicy } from './policy/index.ts';
export type { AuthorizationBasis, ImageCandidate, PolicyChoice, RawDocument } from './types.ts';
