import type { DerBound, VerificationKey } from '../certificates/index.ts';
import type { LogEntry } from './read-log-entry.ts';
import type { VerifiedSignature } from './require-logged.ts';

/** From when until when a key or authority counts; undefined: without a bound. Both ends count. */
export interface ValidityWindow {
  readonly start: Date | undefined;
  readonly end: Date | undefined;
}

/** What Sigstore's trusted_root.json names, or what the policy names instead of it. */
export interface TrustedRoot {
  /** Issuers of signing certificates. */
  readonly certificateAuthorities: readonly CertificateAuthority[];
  /** Logs of certificates. If there is one, a signing certificate has to have an SCT by one of them. */
  readonly ctLogs: readonly TrustedLog[];
  /** Transparency logs of signatures. If there is one, a signature has to have an entry of one of them. */
  readonly logs: readonly TrustedLog[];
  readonly timestampAuthorities: readonly TimestampAuthority[];
}

export interface CertificateAuthority {
  /** For messages. */
  readonly name: string;
  /** In DER: what issues signing certificates first, and the root last. At least one. */
  readonly certificates: readonly Uint8Array[];
  readonly validFor: ValidityWindow;
}

export interface TrustedLog {
  readonly key: VerificationKey;
  /** The IDs by which entries and SCTs name the log; at least one. */
  readonly logIds: readonly Uint8Array[];
  /** What checkpoints put in front of the signature of the log; undefined: as the key of the log says. */
  readonly checkpointKeyId?: Uint8Array | undefined;
  /** Its URL, whose host is the name of the log in checkpoints; undefined: any. */
  readonly address?: string | undefined;
  /** Compared with the time of the entry or of the SCT. */
  readonly validFor: ValidityWindow;
}

export interface TimestampAuthority {
  readonly name: string;
  /** In DER: what signs timestamps first, and the root last. At least one. */
  readonly certificates: readonly Uint8Array[];
  readonly validFor: ValidityWindow;
}

/** A time at which a signature existed, as a trusted log or authority has signed it. */
export interface ProvenTime {
  readonly at: Date;
  readonly source: 'log' | 'timestamp';
  /** The log or authority, for messages. */
  readonly by: string;
}

/** What a bundle or the annotations of a layer say about the time of a signature. Nothing of it has been verified. */
export interface TimeEvidence {
  readonly logEntries: readonly LogEntry[];
  /** RFC 3161 responses in DER. */
  readonly timestamps: readonly Uint8Array[];
  /** Bounds the DER in the timestamps. */
  readonly bound: DerBound;
}

/**
 * Returns all times that the evidence proves for this signature, the earliest first. Requires an entry of a log if
 * `trust` has a log, and else a timestamp if it has an authority. Throws `SIGNATURE_REFUSED`. Its one implementation is
 * `proveTimes` in `prove-times.ts`. Whether a time is needed, and which certificates have to be valid at it, is for the
 * caller.
 */
export type ProveTimes = (
  verified: VerifiedSignature,
  evidence: TimeEvidence,
  trust: Pick<TrustedRoot, 'logs' | 'timestampAuthorities'>,
) => readonly ProvenTime[];
