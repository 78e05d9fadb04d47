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
  | 'identity'
  // The check itself.
  | 'check-failed';

/** The key that made a signature. */
export interface OpenPgpSigner {
  /** The fingerprint of the primary key, in upper-case hexadecimal digits, also when a subkey signed. */
  readonly fingerprint: string;
  /** When the signature says that it was made, RFC 3339. */
  readonly signedAt: string;
}

export type SignatureVerdict =
  | { readonly kind: 'accepted'; readonly signer: OpenPgpSigner; readonly signedReference: string }
  /** `remedy`: the member of the policy that would let the image run, if there is one. */
  | {
      readonly kind: 'refused';
      readonly reason: RefusalReason;
      readonly text: string;
      readonly remedy: string | undefined;
    };

/** A file or text with public keys, and its name for messages. */
export interface RawKeyRing {
  readonly name: string;
  readonly rawBytes: Uint8Array;
}

/** Everything that one signature is judged by, as plain data. */
export interface SimpleSignatureRequest {
  /** Attacker-controlled. */
  readonly rawSignature: Uint8Array;
  readonly keyRings: readonly RawKeyRing[];
  /** The time that "expired" and "from the future" are compared with, in milliseconds since 1970. */
  readonly nowMs: number;
  readonly identity: SignedIdentity;
  /** The image's name as `matchSignedIdentity` takes it; undefined for an image that has none, such as a file. */
  readonly imageReference: string | undefined;
  /** The digests that a signature may be for. */
  readonly digests: readonly Digest[];
  readonly limits: SimpleSigningLimits;
}

export interface SimpleSigningLimits {
  /** Bounds a signature, and what it decompresses to. */
  readonly maxSignatureBytes: number;
  /** Bounds all key rings of a requirement together. */
  readonly maxKeyRingBytes: number;
  readonly maxKeyRingKeys: number;
}

/** What a worker does with signatures. */
export interface SignatureOperations {
  /** Throws `POLICY_INVALID` for key rings that cannot be read; a signature is refused by the verdict. */
  verifySimpleSignature(request: SimpleSignatureRequest): Promise<SignatureVerdict>;
}
