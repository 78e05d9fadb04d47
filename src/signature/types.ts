import type { SealiftError } from '../errors/index.ts';
import type { Limits, SizeBound } from '../limits/index.ts';
import type { Descriptor, Digest, ImageManifest, ImageReference } from '../oci/index.ts';
import type { EvaluationMemo } from './evaluation-memo.ts';
import type { KeySource, Policy } from './policy/index.ts';
import type { SignatureBudget } from './search/signature-budget.ts';
import type { ExaminedKey, KeyExamination, SignatureVerdict } from './signed-content/index.ts';
import type { SigstoreSignatureRequest, SigstoreSigner, SigstoreVerdict } from './sigstore/index.ts';
import type { OpenPgpSigner, SimpleSignatureRequest, SimpleSignatureVerdict } from './simple-signing/index.ts';

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
  /**
   * What a signature may be for: the manifest and each index on the way to it, outermost first, each by every digest that
   * names its bytes.
   */
  readonly digests: readonly Digest[];
  /** The bytes of those: of the manifest, then of the indexes, outermost first. */
  readonly rawDocuments: readonly Uint8Array[];
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
  /** True for one that an earlier pull has kept. It proves nothing by that, and is verified like any other. */
  readonly isKept?: boolean;
}

/** A search that failed, so that a good signature may exist that was not found. */
export interface SearchFailure {
  /** Where the signatures were looked for, for messages. */
  readonly origin: string;
  readonly error: SealiftError;
}

/** What was fetched for the requirements of a policy before they are judged, so that judging needs no network. */
export interface Evidence {
  readonly signatures: readonly RawSignature[];
  /** Without a good signature, each of these makes the verdict uncertain: the image may be signed all the same. */
  readonly failures: readonly SearchFailure[];
  /** Fragments of a sentence that say where no signature was found, for a denial. */
  readonly remarks: readonly string[];
}

/** A part of the list of what refers to a manifest, as it came. */
export interface ReferrersPage {
  readonly rawBytes: Uint8Array;
  /** Media type of the Content-Type header; empty if there was none. */
  readonly contentType: string;
  /** The name of the next page for its source; undefined: this is the last one. */
  readonly next: string | undefined;
}

/**
 * One endpoint of the image, at which attached signatures are looked for. Some registries answer a tag that does not exist
 * with another document, and a list may have more than was asked for, so the subject of what comes has to be compared.
 */
export interface SignatureSource {
  /** Shown in messages: host and repository, or a path. */
  readonly name: string;
  /**
   * True for files, whose list has all images in them. Reading a manifest there costs no request, so that only those
   * that refer to the image count.
   */
  readonly isLocal?: boolean;
  /** A digest is verified. Throws `REGISTRY_MANIFEST_UNKNOWN` or `ARCHIVE_IMAGE_UNKNOWN` for a tag that is not there. */
  fetchManifest(tagOrDigest: string, signal?: AbortSignal): Promise<RawDocument>;
  /** Verifies size and digest. */
  fetchSmallBlob(descriptor: Descriptor, bound: SizeBound, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * Returns the list of simple signatures that the registry itself keeps for a manifest; undefined when it does not offer
   * such lists, or does not have the manifest.
   */
  fetchSignatureList(digest: Digest, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Returns the first page of the list of what refers to a manifest, or the `next` of another; undefined: it has none. */
  fetchReferrers(digest: Digest, page: string | undefined, signal?: AbortSignal): Promise<ReferrersPage | undefined>;
}

/** A store of signatures apart from the registry, for one repository. */
export interface LookasideStore {
  /** False for a store that is only looked at by default. */
  readonly isConfigured: boolean;
  /** Returns the address of a signature of the manifest; positions are counted from 1. */
  locate(digest: Digest, position: number): URL;
  /** Returns the bytes at an address of `locate`; undefined only when nothing is there. Bounded by `maxSignatureBytes`. */
  fetchSignature(location: URL, signal: AbortSignal): Promise<Uint8Array | undefined>;
}

/** What the configuration says about the signatures of images with one name. */
export interface SignatureLocations {
  /** Undefined: there is none. */
  readonly lookaside: LookasideStore | undefined;
  /** Whether signatures that are attached to images are looked for. */
  readonly usesAttachments: boolean;
}

export type AttachmentLimits = Pick<Limits, 'maxSignatureBytes' | 'maxReferrerPages' | 'maxJsonDepth'>;

export interface SignatureSearch {
  readonly reference: ImageReference;
  /** What a signature may be for: the manifest, then the indexes that led to it, outermost first. */
  readonly digests: readonly Digest[];
  /** The endpoint that gave the manifest first, then the others. */
  readonly sources: readonly SignatureSource[];
  /** Opens the lookaside store of the image's name; undefined: there is none. Throws `REGISTRIES_D_INVALID`. */
  readonly openLookaside: () => Promise<LookasideStore | undefined>;
  /** False where the configuration says that signatures are not attached to images. Throws `REGISTRIES_D_INVALID`. */
  readonly usesAttachments: () => Promise<boolean>;
  readonly limits: AttachmentLimits;
  /** Bounds what all searches for one image may find together. */
  readonly budget: SignatureBudget;
  readonly signal: AbortSignal;
}

/**
 * Looks for the signatures that one kind of requirement looks at, at one location after the other, and yields what each of
 * them has. The caller stops asking when it has enough. Finding none is no error, and a search that fails is a part of
 * the evidence; only a cancellation, a bug and a faulty configuration are thrown.
 */
export type FindSignatures = (search: SignatureSearch) => AsyncIterable<Evidence>;

/** Loads keys and certificates that a policy names. */
export interface KeyLoader {
  /** Returns the key material of each path or text, in order. Throws `POLICY_INVALID` when one cannot be read. */
  load(keys: KeySource, signal?: AbortSignal): Promise<readonly Uint8Array[]>;
}

/** A signature to verify, as plain data. The verifier adds the time and the limits. */
export type SignatureCheck = Omit<SimpleSignatureRequest, 'nowMs' | 'limits'>;

/** An attachment of Sigstore to verify, as plain data. The verifier adds the time and the limits. */
export type SigstoreCheck = Omit<SigstoreSignatureRequest, 'nowMs' | 'limits'>;

/** Verifies signatures in worker threads. */
export interface SignatureVerifier {
  /** A check that hangs or crashes is a verdict as well. Throws `POLICY_INVALID` for faulty key rings. */
  verifySimpleSignature(check: SignatureCheck, signal: AbortSignal): Promise<SimpleSignatureVerdict>;
  /** The same for an attachment of Sigstore. */
  verifySigstoreSignature(check: SigstoreCheck, signal: AbortSignal): Promise<SigstoreVerdict>;
}

/** Examines keys in worker threads, without a signature. */
export interface KeyExaminer {
  /** Throws `POLICY_INVALID` for key material that cannot be read, and `SIGNATURE_CHECK_STALLED`. */
  examineKeys(examination: KeyExamination, signal: AbortSignal): Promise<readonly ExaminedKey[]>;
}

/** The author of a signature. */
export type SignatureAuthor = (OpenPgpSigner & { readonly kind: 'openpgp' }) | SigstoreSigner;

/** The author of a verified signature, what it is for, and where it was found. */
export type ImageSigner = SignatureAuthor & {
  /** The name of the image in the signature; undefined if it names none. */
  readonly signedReference: string | undefined;
  readonly origin: string;
  /** True if an earlier pull has found it, and the origin was not asked. */
  readonly isKept?: boolean;
};

/** What a requirement is judged with. */
export interface EvaluationContext {
  readonly image: VerifiedImage;
  readonly evidence: Evidence;
  readonly keys: KeyLoader;
  readonly verifier: SignatureVerifier;
  /** What was found out about the image so far. */
  readonly memo: EvaluationMemo;
  readonly signal: AbortSignal;
  /** True: the signatures behind an accepted one are verified as well, for a report. The verdict is the same. */
  readonly examinesAll?: boolean | undefined;
}

/** One signature and what a requirement says of it. */
export interface JudgedSignature {
  readonly signature: RawSignature;
  /** Undefined: it was not looked at. */
  readonly verdict: SignatureVerdict<SignatureAuthor> | undefined;
}

export type PolicyVerdict =
  /** `basis`: whether a signature was verified; `signers`: the authors of those that were; `satisfying`: these. */
  | {
      readonly kind: 'accept';
      readonly basis: Extract<AuthorizationBasis, 'policy' | 'signature'>;
      readonly signers?: readonly ImageSigner[];
      readonly satisfying?: readonly RawSignature[];
      /** The signatures that the requirement was compared with, for reports. */
      readonly judged?: readonly JudgedSignature[];
    }
  /** `remedy`: what to do, if more can be said than for any denial. */
  /** `isUncertain`: a signature could not be checked, which may be the one that the policy wants. */
  | {
      readonly kind: 'deny';
      readonly reason: string;
      readonly remedy?: string;
      readonly isUncertain?: boolean;
      readonly judged?: readonly JudgedSignature[];
    }
  | { readonly kind: 'unsupported'; readonly reason: string };
