import type { Limits } from '../../limits/index.ts';
import type { RawKeyRing, SignatureVerdict, SignedContentCheck } from '../signed-content/index.ts';

/** The public key that made a signature. */
export interface SigstoreSigner {
  /** The path of the key in the policy, or the member that holds it. */
  readonly key: string;
  /** `sha256:` and the hash of the key in DER, in hexadecimal digits. */
  readonly keyId: string;
  /** When a trusted log has seen the signature, RFC 3339; undefined if no log promised it. */
  readonly loggedAt: string | undefined;
}

export type SigstoreVerdict = SignatureVerdict<SigstoreSigner>;

export type SigstoreLimits = Pick<
  Limits,
  | 'maxSignatureBytes'
  | 'maxKeyRingBytes'
  | 'maxKeyRingKeys'
  | 'maxBundleLogEntries'
  | 'maxBundleTimestamps'
  | 'maxBundleCertificates'
  | 'maxStatementSubjects'
  | 'maxInclusionHashes'
  | 'maxCheckpointBytes'
>;

/** Everything that one attachment is judged by, as plain data. */
export interface SigstoreSignatureRequest extends SignedContentCheck {
  /** The media type of the layer that holds the attachment. */
  readonly mediaType: string;
  /** Attacker-controlled: a payload, or a bundle. */
  readonly rawBytes: Uint8Array;
  /** Attacker-controlled: the annotations of the layer. */
  readonly annotations: Readonly<Record<string, string>>;
  /** One of them has to have made the signature. */
  readonly keys: readonly RawKeyRing[];
  /** Logs of which one has to have seen the signature; undefined: logs are not looked at. */
  readonly logKeys: readonly RawKeyRing[] | undefined;
  /** Predicates of statements that count as signatures beside cosign's own. */
  readonly predicateTypes: readonly string[];
  /** The bytes of the manifest and of each index on the way to it. */
  readonly documents: readonly Uint8Array[];
  readonly limits: SigstoreLimits;
}
