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
  | { readonly kind: 'fulcio'; readonly ca: KeySource; readonly oidcIssuer: string; readonly subjectEmail: string }
  | {
      readonly kind: 'pki';
      readonly roots: KeySource;
      readonly intermediates: KeySource | undefined;
      readonly subjectEmail: string | undefined;
      readonly subjectHostname: string | undefined;
    };

export interface SigstoreSignedRequirement {
  readonly type: 'sigstoreSigned';
  readonly trust: SigstoreTrust;
  readonly rekorKeys: KeySource | undefined;
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
