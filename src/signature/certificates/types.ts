import type { VerificationKey } from './open-public-key.ts';
import type { GeneralName } from './read-general-names.ts';
import type { NameConstraints } from './read-name-constraints.ts';

/** A certificate as it was read. Its form is that of RFC 5280; no authority has been looked for that vouches for it. */
export interface Certificate {
  readonly raw: Uint8Array;
  /** What is signed. */
  readonly rawTbs: Uint8Array;
  /** The bytes of the serial number, as DER has them. */
  readonly serial: Uint8Array;
  /** The object identifier of the algorithm of the signature. */
  readonly algorithm: string;
  readonly signature: Uint8Array;
  /** DER of the names. */
  readonly rawIssuer: Uint8Array;
  readonly rawSubject: Uint8Array;
  /** The subject for messages; empty if it has none. Attacker-controlled. */
  readonly subjectText: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly key: VerificationKey;
  /** By object identifier, each of them once. */
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly isAuthority: boolean;
  /** How many further authorities may follow; undefined: any number. */
  readonly maxPathLength: number | undefined;
  /** Numbers of bits; undefined: any use. */
  readonly keyUsage: ReadonlySet<number> | undefined;
  /** Object identifiers; undefined: any use. */
  readonly extendedKeyUsage: ReadonlySet<string> | undefined;
  /** The subject's alternative names, in order. */
  readonly names: readonly GeneralName[];
  readonly nameConstraints: NameConstraints | undefined;
}

export interface Extension {
  readonly isCritical: boolean;
  /** What the octet string holds. */
  readonly value: Uint8Array;
  /** The extension as it is in the certificate. */
  readonly raw: Uint8Array;
}
