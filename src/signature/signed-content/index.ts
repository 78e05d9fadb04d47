export { decodeBase64 } from './decode-base64.ts';
export { isSame } from './is-same.ts';
export { type PayloadKind, readPayload } from './read-payload.ts';
export { printable, printableReason, refusalOf, refuseSignature, SignatureRefusal } from './refuse-signature.ts';
export { requireContent, requireDigest, requireIdentity } from './require-content.ts';
export type {
  ExaminedKey,
  KeyExamination,
  KeyForm,
  RawKeyRing,
  RefusalReason,
  RefusedSignature,
  SignatureVerdict,
  SignedContentCheck,
} from './types.ts';
