import type { GivenBundle } from '../bundle/index.ts';
import type { ErrorKind, PlainError } from '../errors/index.ts';
import type { Digest } from '../oci/index.ts';
import type { AuthorizationBasis, ImageSigner, PolicyReport, VerdictSummary } from '../signature/index.ts';

/** What becomes of the image once its layers are verified. */
export type PullTarget =
  /** The layers stay in the store. */
  | { readonly kind: 'store' }
  /** A bundle directory with the mounted rootfs and config.json; `given`: the runtime made the directory. */
  | { readonly kind: 'bundle'; readonly directory: string; readonly given?: GivenBundle }
  /** One plain directory tree; no store is touched. */
  | { readonly kind: 'unpack'; readonly directory: string };

export interface PullRequest {
  /** As the user wrote it. */
  readonly reference: string;
  readonly target: PullTarget;
}

export interface PulledLayer {
  readonly digest: Digest;
  readonly diffId: Digest;
  /** Bytes on the wire. */
  readonly size: number;
  /** How often this pull fetched the blob: 0 from the store, 2 where it was read again with the layers below in view. */
  readonly fetches: number;
}

export interface PullResult {
  /** The logical name, fully expanded, without tag and digest. */
  readonly name: string;
  /** The digest of the manifest that was chosen for the platform. */
  readonly manifestDigest: Digest;
  /** The digest of the index that the reference named, if it named one. */
  readonly indexDigest: Digest | undefined;
  /** The authors of the signatures that the policy asked for; empty when it asked for none. */
  readonly signers: readonly ImageSigner[];
  readonly platform: string;
  readonly layers: readonly PulledLayer[];
  /** The format of the layers that were fetched; undefined for a plain tree. */
  readonly layerFormat: 'directory' | 'erofs' | undefined;
  readonly target: PullTarget;
  /** Sentences about what was ignored or deserves attention. */
  readonly warnings: readonly string[];
  readonly durationMs: number;
}

/** An image in the store. */
export interface ListedImage {
  readonly manifestDigest: Digest;
  readonly configDigest: Digest;
  /** References as they were pulled, fully expanded. */
  readonly names: readonly string[];
  readonly platform: string;
  /** RFC 3339. */
  readonly pulledAt: string;
  /** Keys of the layers, bottom to top. */
  readonly layerKeys: readonly string[];
  /** The disk space of the layers, each counted once, and the part of it that other images use as well. */
  readonly diskBytes: number;
  readonly sharedBytes: number;
  /** Where it is mounted. */
  readonly mounts: readonly string[];
}

export type { Removal } from '../store/index.ts';

export type LayerProgressState = 'waiting' | 'cached' | 'fetching' | 'verifying' | 'done' | 'failed';

/** What a pull reports while it runs; delivery is best effort, and nothing depends on it. */
export type ProgressEvent =
  | {
      readonly type: 'layer';
      readonly digest: Digest;
      readonly state: LayerProgressState;
      readonly bytes: number;
      readonly total: number;
    }
  | { readonly type: 'stage'; readonly stage: 'resolve' | 'authorize' | 'layers' | 'mount' | 'bundle' }
  /** The gate has decided; `seconds`: from its first step, with the search for signatures. */
  | {
      readonly type: 'verdict';
      readonly result: 'accepted' | ErrorKind;
      readonly seconds: number;
      readonly summary: VerdictSummary;
    }
  | { readonly type: 'warning'; readonly message: string };

export interface InspectRequest {
  /** As the user wrote it. */
  readonly reference: string;
  readonly view: InspectResult['view'];
}

export interface InspectedLayer {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
}

export interface InspectSummary {
  readonly name: string;
  readonly manifestDigest: Digest;
  readonly indexDigest: Digest | undefined;
  readonly mediaType: string;
  readonly platform: string;
  readonly created: string | undefined;
  readonly configDigest: Digest;
  readonly layers: readonly InspectedLayer[];
  readonly labels: Readonly<Record<string, string>>;
}

export type InspectResult =
  | { readonly view: 'summary'; readonly summary: InspectSummary }
  /** The image config, parsed. */
  | { readonly view: 'config'; readonly config: unknown }
  /** The document that the reference names, byte for byte. */
  | { readonly view: 'raw'; readonly rawManifest: Uint8Array };

export interface VerifyRequest {
  /** As the user wrote it. */
  readonly reference: string;
}

/** What the policy says of an image, as a pull would judge it. */
export interface VerifyResult {
  /** The logical name, fully expanded, without tag and digest. */
  readonly name: string;
  readonly manifestDigest: Digest;
  readonly indexDigest: Digest | undefined;
  /** `accepted`, or the kind of the error with which a pull would refuse the image. */
  readonly verdict: 'accepted' | ErrorKind;
  /** Why the image may run; undefined when it may not. */
  readonly basis: AuthorizationBasis | undefined;
  /** How the requirements decided. */
  readonly policy: PolicyReport;
  /** Why the image may not run. */
  readonly error: Pick<PlainError, 'code' | 'kind' | 'message' | 'hint'> | undefined;
  readonly warnings: readonly string[];
}
