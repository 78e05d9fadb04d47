import type { Digest } from '../../oci/index.ts';
import type { SignedIdentity } from '../policy/index.ts';

/** Why one signature does not count. Each has a text of its own, and tests name them. */
export type RefusalReason =
  // What the blob is.
  | 'empty'
  | 'armored'
  | 'cleartext'
  | 'detached'
  | 'unsigned'
  | 'encrypted'
  | 'several-signatures'
  | 'nested-compression'
  | 'compression'
  | 'too-large'
  | 'trailing-data'
  | 'malformed'
  | 'media-type'
  | 'certificate'
  | 'certificate-path'
  | 'certificate-time'
  | 'certificate-use'
  | 'certificate-log'
  | 'author'
  // The signature and its key.
  | 'signature-type'
  | 'weak-hash'
  | 'weak-key'
  | 'unknown-key'
  | 'not-authentic'
  | 'signature-from-future'
  | 'signature-expired'
  | 'key-newer'
  | 'key-revoked'
  | 'key-expired'
  | 'key-unusable'
  // What was signed.
  | 'payload'
  | 'digest'
  | 'predicate'
  | 'identity'
  // The entry of a transparency log.
  | 'log'
  // The timestamp of an authority.
  | 'timestamp'
  // The check itself.
  | 'check-failed';

/** `Signer` says whose signature was accepted. */
export type SignatureVerdict<Signer> =
  /** `signedReference`: the name of the image in the signature; undefined if the signature names none. */
  | { readonly kind: 'accepted'; readonly signer: Signer; readonly signedReference: string | undefined }
  | RefusedSignature;

export interface RefusedSignature {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  readonly text: string;
  /** The member of the policy that would let the image run, if there is one. */
  readonly remedy: string | undefined;
}

/** What a signature has to be for. */
export interface SignedContentCheck {
  readonly identity: SignedIdentity;
  /** The image's name as `matchSignedIdentity` takes it; undefined for an image that has none, such as a file. */
  readonly imageReference: string | undefined;
  /** The digests that a signature may be for. */
  readonly digests: readonly Digest[];
}

/** A file or text with public keys, and its name for messages. */
export interface RawKeyRing {
  readonly name: string;
  readonly rawBytes: Uint8Array;
}
