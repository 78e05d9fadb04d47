import type { Digest, ImageManifest, ImageReference } from '../oci/index.ts';
import type { Policy } from './policy/index.ts';

/** A manifest or index as it came. `digest` is what the fetcher computed; it is computed again here. */
export interface RawDocument {
  readonly rawBytes: Uint8Array;
  readonly digest: Digest;
  /** Media type of the Content-Type header; empty if there was none. */
  readonly contentType: string;
}

/** The name that the user wrote and the documents that it led to. Nothing here is believed. */
export interface ImageCandidate {
  /** The logical name, never that of a mirror; for files the place where they really lie. */
  readonly reference: ImageReference;
  /** The indexes on the way to the manifest, outermost first; empty when the name leads to a manifest directly. */
  readonly indexes: readonly RawDocument[];
  readonly manifest: RawDocument;
}

/** `undefined`: nobody has configured a policy. */
export type PolicyChoice = Policy | 'insecure-accept-anything' | undefined;

/** Why an image may run. */
export type AuthorizationBasis = 'policy' | 'digest-pin' | 'insecure-policy';

/** What hashes and links of the documents have proved. */
export interface VerifiedImage {
  readonly reference: ImageReference;
  readonly manifest: ImageManifest;
  readonly manifestDigest: Digest;
  /** A copy of our own; the bytes that `manifestDigest` names. */
  readonly rawManifest: Uint8Array;
  /** The outermost index, when the name led to one. */
  readonly indexDigest: Digest | undefined;
}

export type Verdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'deny'; readonly reason: string }
  | { readonly kind: 'unsupported'; readonly reason: string };
