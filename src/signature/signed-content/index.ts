export { type PayloadKind, readPayload } from './read-payload.ts';
export { printableReason, refusalOf, refuseSignature, SignatureRefusal } from './refuse-signature.ts';
export { requireContent } from './require-content.ts';
export type { RawKeyRing, RefusedSignature, SignatureVerdict, SignedContentCheck } from './types.ts';
