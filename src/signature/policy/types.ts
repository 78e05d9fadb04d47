/** Where key material comes from, as the policy names it; nothing has been read or decoded yet. */
export interface KeySource {
  readonly kind: 'path' | 'paths' | 'data' | 'datas';
  /** Paths or base64 texts; at least one. */
  readonly values: readonly string[];
}

export type SignedIdentity =
  /** A member of Sealift's own: the digest is compared and no name. */
  | { readonly type: 'digestOnly' }
  | { readonly type: 'matchExact' }
  | { readonly type: 'matchRepoDigestOrExact' }
  | { readonly type: 'matchRepository' }
  | { readonly type: 'exactReference'; readonly dockerReference: string }
  | { readonly type: 'exactRepository'; readonly dockerRepository: string }
  | { readonly type: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string };

export interface SignedByRequirement {
  readonly type: 'signedBy';
  readonly keyType: 'GPGKeys' | 'signedByGPGKeys' | 'X509Certificates' | 'signedByX509CAs';
  readonly keys: KeySource;
  readonly signedIdentity: SignedIdentity;
}

/** What a signature must have been made with. */
export type SigstoreTrust =
  | { readonly kind: 'keys'; readonly keys: KeySource }
  /** `ca`: undefined if the trusted root names the authorities. */
  | { readonly kind: 'fulcio'; readonly ca: KeySource | undefined; readonly identity: FulcioIdentity }
  | {
      readonly kind: 'pki';
      readonly roots: KeySource;
      readonly intermediates: KeySource | undefined;
      readonly subject: PkiSubject;
    };

/**
 * What a certificate by Fulcio has to say. All members that are given have to hold; each is the whole text, or an open
 * pattern with a `*` at its end. One of the first three at least is given. Those behind `subjectEmail` are our own.
 */
export interface FulcioIdentity {
  readonly oidcIssuer: string;
  readonly subjectEmail?: string | undefined;
  readonly subjectURI?: string | undefined;
  readonly buildSignerURI?: string | undefined;
  readonly sourceRepositoryURI?: string | undefined;
  readonly sourceRepositoryRef?: string | undefined;
  readonly runnerEnvironment?: string | undefined;
}

/** The names that a certificate of an own authority has to have; one of them at least is given. */
export interface PkiSubject {
  readonly subjectEmail?: string | undefined;
  readonly subjectHostname?: string | undefined;
}

export interface SigstoreSignedRequirement {
  readonly type: 'sigstoreSigned';
  readonly trust: SigstoreTrust;
  readonly rekorKeys: KeySource | undefined;
  /** A trusted_root.json, which names logs and authorities; a member of Sealift's own. */
  readonly trustedRoot: KeySource | undefined;
  /** Predicates of in-toto statements that count as signatures, beside cosign's own. */
  readonly predicateTypes: readonly string[];
  readonly signedIdentity: SignedIdentity;
}

interface RequirementByType {
  readonly reject: { readonly type: 'reject' };
  readonly insecureAcceptAnything: { readonly type: 'insecureAcceptAnything' };
  readonly signedBy: SignedByRequirement;
  readonly sigstoreSigned: SigstoreSignedRequirement;
}

export type RequirementType = keyof RequirementByType;

/** One requirement; with `Type`, one of that type. */
export type Requirement<Type extends RequirementType = RequirementType> = {
  [Each in Type]: RequirementByType[Each] & { readonly type: Each };
}[Type];

/** At least one; all of them must accept. */
export type Requirements = readonly Requirement[];

/** A policy.json that was read strictly. */
export interface Policy {
  readonly default: Requirements;
  /** Transport name → scope → requirements; the scope `""` stands for the whole transport. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, Requirements>>;
}
