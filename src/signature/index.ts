export { type AuthorizedImage, assertAuthorized, authoriseImage, type GateReport } from './authorise-image.ts';
export { createKeyLoader } from './create-key-loader.ts';
export { createSignatureVerifier, type ProgramVerifier } from './create-signature-verifier.ts';
export {
  describeJudgement,
  type PolicyReport,
  summarizeJudgement,
  type VerdictSummary,
} from './describe-judgement.ts';
export { gatherEvidence } from './gather-evidence.ts';
export { signaturesToKeep } from './kept-signatures.ts';
export { loadPolicy } from './load-policy.ts';
export { signatureTest } from './signature-finders.ts';
export type {
  AuthorizationBasis,
  ImageProof,
  ImageSigner,
  KeyLoader,
  LookasideStore,
  PolicyChoice,
  SignatureLocations,
  SignatureSource,
  SignatureVerifier,
} from './types.ts';
