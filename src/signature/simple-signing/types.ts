import type { RawKeyRing, SignatureVerdict, SignedContentCheck } from '../signed-content/index.ts';

/** The key that made a signature. */
export interface OpenPgpSigner {
  /** The fingerprint of the primary key, in upper-case hexadecimal digits, also when a subkey signed. */
  readonly fingerprint: string;
  /** When the signature says that it was made, RFC 3339. */
  readonly signedAt: string;
}

/** Everything that one signature is judged by, as plain data. */
export interface SimpleSignatureRequest extends SignedContentCheck {
  /** Attacker-controlled. */
  readonly rawSignature: Uint8Array;
  readonly keyRings: readonly RawKeyRing[];
  /** The time that "expired" and "from the future" are compared with, in milliseconds since 1970. */
  readonly nowMs: number;
  readonly limits: SimpleSigningLimits;
}

export type SimpleSignatureVerdict = SignatureVerdict<OpenPgpSigner>;

export interface SimpleSigningLimits {
  /** Bounds a signature, and what it decompresses to; that has to be within 1 MiB as well. */
  readonly maxSignatureBytes: number;
  /** Bounds all key rings of a requirement together. */
  readonly maxKeyRingBytes: number;
  readonly maxKeyRingKeys: number;
}
