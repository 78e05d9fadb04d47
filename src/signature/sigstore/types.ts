import type { Limits } from '../../limits/index.ts';
import type { FulcioIdentity, PkiSubject } from '../policy/index.ts';
import type { RawKeyRing, SignatureVerdict, SignedContentCheck } from '../signed-content/index.ts';

/** What made a signature. */
export type SigstoreSigner = KeySigner | CertificateSigner;

/** When a signature existed, as far as it is proven: the earliest time of each kind, RFC 3339. */
export interface SignatureTimes {
  /** Undefined if no trusted log has promised one. */
  readonly loggedAt: string | undefined;
  /** Undefined if there is no timestamp by a trusted authority. */
  readonly stampedAt: string | undefined;
}

/** The public key that made a signature. */
export interface KeySigner extends SignatureTimes {
  readonly kind: 'sigstore-key';
  /** The path of the key in the policy, or the member that holds it. */
  readonly key: string;
  /** `sha256:` and the hash of the key in DER, in hexadecimal digits. */
  readonly keyId: string;
}

/** The certificate that the key of a signature has, by an authority that the policy names. */
export interface CertificateSigner extends SignatureTimes {
  readonly kind: 'sigstore-certificate';
  /** The name that satisfied the requirement: an address, a URI or a host. */
  readonly subject: string;
  /** Where the author has logged in; undefined for an authority of one's own. */
  readonly oidcIssuer: string | undefined;
  /** `sha256:` and the hash of the key in DER, in hexadecimal digits. */
  readonly keyId: string;
}

/** What has to have made a signature: one of these keys, or a key with a certificate. */
export type RawAuthor =
  | { readonly kind: 'keys'; readonly keys: readonly RawKeyRing[] }
  /** `ca`: undefined if the trusted root names the authorities. */
  | { readonly kind: 'fulcio'; readonly ca: readonly RawKeyRing[] | undefined; readonly identity: FulcioIdentity }
  | {
      readonly kind: 'pki';
      readonly roots: readonly RawKeyRing[];
      readonly intermediates: readonly RawKeyRing[];
      readonly subject: PkiSubject;
    };

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
  | 'maxDerDepth'
>;

/** Everything that one attachment is judged by, as plain data. */
export interface SigstoreSignatureRequest extends SignedContentCheck {
  /** The media type of the layer that holds the attachment. */
  readonly mediaType: string;
  /** Attacker-controlled: a payload, or a bundle. */
  readonly rawBytes: Uint8Array;
  /** Attacker-controlled: the annotations of the layer. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly author: RawAuthor;
  /** Logs of which one has to have seen the signature; undefined: logs are not looked at. */
  readonly logKeys: readonly RawKeyRing[] | undefined;
  /** A trusted_root.json, which names logs and authorities. */
  readonly trustedRoot: RawKeyRing | undefined;
  /** The time of the check, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Predicates of statements that count as signatures beside cosign's own. */
  readonly predicateTypes: readonly string[];
  /** The bytes of the manifest and of each index on the way to it. */
  readonly documents: readonly Uint8Array[];
  readonly limits: SigstoreLimits;
}
