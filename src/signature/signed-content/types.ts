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

/** `Signer` says whose signature it is. */
export type SignatureVerdict<Signer> =
  /** `signedReference`: the name of the image in the signature; undefined if the signature names none. */
  | { readonly kind: 'accepted'; readonly signer: Signer; readonly signedReference: string | undefined }
  | RefusedSignature<Signer>;

export interface RefusedSignature<Signer = never> {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  readonly text: string;
  /** The member of the policy that would let the image run, if there is one. */
  readonly remedy: string | undefined;
  /** Present if a key of the requirement made the signature, and it was refused for another reason. */
  readonly signer?: Signer;
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

/** What the bytes of key material are. */
export type KeyForm =
  /** OpenPGP keys, of which one file may hold several. */
  | 'key-ring'
  /** One public key in each file. */
  | 'public-key'
  /** Certificates of authorities, of which one file may hold several. */
  | 'certificates'
  /** A trusted_root.json of Sigstore; the second has to name certificate authorities. */
  | 'trusted-root'
  | 'trusted-root-with-authorities';

/** Key material of one requirement, to be examined without a signature. */
export interface KeyExamination {
  readonly form: KeyForm;
  readonly raw: readonly RawKeyRing[];
}

/** One key, and whether a signature that it made now would count. */
export interface ExaminedKey {
  /** The fingerprint of an OpenPGP key, or `sha256:` and the hash of a public key in DER. */
  readonly id: string;
  readonly algorithm: string;
  /** RFC 3339; undefined: it never expires, or cannot be used. */
  readonly expiresAt: string | undefined;
  /** Why it cannot be used; undefined: it can. */
  readonly problem: string | undefined;
}
