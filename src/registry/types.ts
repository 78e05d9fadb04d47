import type { SealiftError } from '../errors/index.ts';
import type { AuthChallenge, HttpRequest, TransportSettings } from '../http/index.ts';
import type { SizeBound } from '../limits/index.ts';
import type { Descriptor, Digest } from '../oci/index.ts';

/** A document as it was served, with the digest that was computed here. */
export interface FetchedDocument {
  readonly rawBytes: Uint8Array;
  readonly digest: Digest;
  /** Media type of the Content-Type header without parameters; empty if there was none. */
  readonly contentType: string;
}

/** A part of the list of what refers to a manifest, as it was served. */
export interface ReferrersPage {
  readonly rawBytes: Uint8Array;
  /** Media type of the Content-Type header without parameters; empty if there was none. */
  readonly contentType: string;
  /** The name of the next page for its source; undefined: this is the last one. */
  readonly next: string | undefined;
}

/** One repository of one registry. */
export interface ImageSource {
  /** Fetches by tag or digest; a digest is verified (`MANIFEST_DIGEST_MISMATCH`). Bounded by `maxManifestBytes`. */
  fetchManifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedDocument>;
  /**
   * Fetches a small blob whole and verifies its size and digest (`BLOB_SIZE_MISMATCH`, `BLOB_DIGEST_MISMATCH`). A larger
   * one fails with the code of the bound's limit, before it is asked for.
   */
  fetchSmallBlob(descriptor: Descriptor, bound: SizeBound, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * Fetches the simple signatures that the registry itself keeps for a manifest, as a list in JSON that is not parsed;
   * undefined when the registry does not offer such lists, or does not have the manifest.
   */
  fetchSignatureList(digest: Digest, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * Fetches one page of the list of what refers to a manifest, the first one or the `next` of another; it is not parsed.
   * Undefined when the registry does not offer such lists.
   */
  fetchReferrers(digest: Digest, page: string | undefined, signal?: AbortSignal): Promise<ReferrersPage | undefined>;
  /** The request that yields a layer blob, with the authorization known now; a worker sends it. */
  blobRequest(descriptor: Descriptor, signal?: AbortSignal): Promise<HttpRequest>;
  /** The request to send after a worker got a 401. Throws `REGISTRY_AUTH_REJECTED` when it would be refused again. */
  renewBlobRequest(descriptor: Descriptor, challenge: AuthChallenge, signal?: AbortSignal): Promise<HttpRequest>;
}

/** One endpoint that has a layer blob, as a worker needs it. */
export interface BlobOffer {
  readonly request: HttpRequest;
  readonly transport: TransportSettings;
  /** The request to send after a 401. Throws `REGISTRY_AUTH_REJECTED` when it would be refused again. */
  renew(challenge: AuthChallenge, signal?: AbortSignal): Promise<HttpRequest>;
  /**
   * Reports that the bytes of this endpoint could not be used. True if another endpoint is left, which the next offer for
   * this blob is for. Throws `LAYER_FOREIGN_REFUSED` when only addresses are left that may not be asked.
   */
  skip(failure: SealiftError): boolean;
}

/** One endpoint of an image, for documents that are attached to it there. */
export interface AttachmentSource
  extends Pick<ImageSource, 'fetchManifest' | 'fetchSmallBlob' | 'fetchSignatureList' | 'fetchReferrers'> {
  /** Shown in messages: host and repository. */
  readonly name: string;
}

/** Where a pull takes an image's bytes from: all endpoints of its name, one after the other. */
export interface ImageSupply {
  /** As `ImageSource` does; later requests go first to the endpoint that gave the manifest. */
  fetchManifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedDocument>;
  fetchSmallBlob(descriptor: Descriptor, bound: SizeBound, signal?: AbortSignal): Promise<Uint8Array>;
  offerBlob(descriptor: Descriptor, signal?: AbortSignal): Promise<BlobOffer>;
  /** All endpoints by themselves, the one that gave the manifest first. Asking one of them does not change this order. */
  signatureSources(): readonly AttachmentSource[];
  /** Sentences that say which endpoints were skipped so far, how often and why. */
  remarks(): readonly string[];
}

/** A name without tag and digest; every `Reference` is one. */
export interface RepositoryName {
  readonly domain: string;
  readonly path: string;
}

export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** Traded for access tokens at the token service. https://distribution.github.io/distribution/spec/auth/oauth/ */
  | { readonly kind: 'identity-token'; readonly token: string }
  /** Sent to the registry as it is, and to no token service. https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
  | { readonly kind: 'registry-token'; readonly token: string };

/** What one auth file says, in the order of the file. */
export interface AuthFile {
  /** Credentials by their keys. */
  readonly entries: ReadonlyMap<string, Credentials>;
  /** The name of the helper that has the credentials of a registry, by the registry's host. */
  readonly helpers: ReadonlyMap<string, string>;
  /** The helper that has the credentials of all other registries. */
  readonly store: string | undefined;
}

/** A program `docker-credential-NAME`, and its name for the registry. */
export interface CredentialHelper {
  readonly name: string;
  readonly server: string;
}

export type CredentialSource =
  | { readonly kind: 'known'; readonly credentials: Credentials }
  | { readonly kind: 'helper'; readonly helper: CredentialHelper };

/** How a helper ended. */
export type HelperEnd =
  | { readonly kind: 'exited'; readonly code: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'timedOut' }
  | { readonly kind: 'missing' };

/** Runs `program get` with these bytes as its standard input. */
export type RunHelper = (program: string, stdin: Uint8Array) => Promise<HelperEnd>;

/** Looks credentials up; called after the registry has answered. */
export type LookUpCredentials = () => Promise<Credentials | undefined>;

/** Monotonic milliseconds, for the life of tokens. */
export interface RegistryClock {
  now(): number;
}
