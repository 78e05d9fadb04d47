import type { SizeBound } from '../limits/index.ts';
import type { Descriptor, Digest, ImageManifest, ImageReference } from '../oci/index.ts';
import type { KeySource, Policy } from './policy/index.ts';

/** A manifest or index as it came. `digest` is what the fetcher computed; it is computed again here. */
export interface RawDocument {
  readonly rawBytes: Uint8Array;
  readonly digest: Digest;
  /** Media type of the Content-Type header; empty if there was none. */
  readonly contentType: string;
}

/** The name that the user wrote and the documents that it led to. Nothing here is believed. */
export interface ImageCandidate {
  /** The logical name, never that of a mirror; for files the path of what was opened. */
  readonly reference: ImageReference;
  /** The indexes on the way to the manifest, outermost first; empty when the name leads to a manifest directly. */
  readonly indexes: readonly RawDocument[];
  readonly manifest: RawDocument;
}

/** `undefined`: no policy is configured. */
export type PolicyChoice = Policy | 'insecure-accept-anything' | undefined;

/** Why an image may run: its digest was pinned, the policy accepts it without or by a signature, or anything may run. */
export type AuthorizationBasis = 'digest-pin' | 'policy' | 'signature' | 'insecure-policy';

/** What vouches for the bytes of an image, whatever transport they came over. */
export type ImageProof = 'digest' | 'signature' | 'none';

/** What hashes and links of the documents have proved. */
export interface VerifiedImage {
  readonly reference: ImageReference;
  readonly manifest: ImageManifest;
  readonly manifestDigest: Digest;
  /** A copy that no other room can write to; the bytes that `manifestDigest` names. */
  readonly rawManifest: Uint8Array;
  /** The outermost index, when the name led to one. */
  readonly indexDigest: Digest | undefined;
}

/** One signature as it was found. Nothing of it is believed before a requirement has verified it. */
export interface RawSignature {
  readonly rawBytes: Uint8Array;
  /** Says how the bytes are to be read; empty for one from a lookaside store, which does not say. */
  readonly mediaType: string;
  /** Cosign keeps the signature, its certificates and its log entry here. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Where it was found, for messages. */
  readonly origin: string;
}

/** What was fetched for the requirements of a policy before they are judged. Plain data, so that judging needs no network. */
export interface Evidence {
  readonly signatures: readonly RawSignature[];
}

/**
 * Where attached signatures are fetched from: the source of the image. A source of files has no tags and answers each
 * with the image itself, as some registries do, so the subject of what comes has to be compared.
 */
export interface SignatureSource {
  fetchManifest(tagOrDigest: string, signal?: AbortSignal): Promise<RawDocument>;
  fetchSmallBlob(descriptor: Descriptor, bound: SizeBound, signal?: AbortSignal): Promise<Uint8Array>;
}

export interface SignatureSearch {
  readonly reference: ImageReference;
  /** What a signature may be for: the manifest, then the indexes that led to it, outermost first. */
  readonly digests: readonly Digest[];
  readonly source: SignatureSource;
  readonly signal: AbortSignal;
}

/** Fetches the signatures that one kind of requirement looks at. Finding none is no error. */
export type FindSignatures = (search: SignatureSearch) => Promise<readonly RawSignature[]>;

/** Loads keys and certificates that a policy names. */
export interface KeyLoader {
  /** Returns the key material of each path or text, in order. Throws `POLICY_INVALID` when one cannot be read. */
  load(keys: KeySource, signal?: AbortSignal): Promise<readonly Uint8Array[]>;
}

/** What a requirement is judged with. */
export interface EvaluationContext {
  readonly image: VerifiedImage;
  readonly evidence: Evidence;
  readonly keys: KeyLoader;
  readonly signal?: AbortSignal | undefined;
}

export type PolicyVerdict =
  /** `basis`: whether a signature was verified. */
  | { readonly kind: 'accept'; readonly basis: Extract<AuthorizationBasis, 'policy' | 'signature'> }
  | { readonly kind: 'deny'; readonly reason: string }
  | { readonly kind: 'unsupported'; readonly reason: string };
