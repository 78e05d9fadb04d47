import type { GivenBundle } from '../bundle/index.ts';
import type { Digest } from '../oci/index.ts';

/** What becomes of the image once its layers are verified. */
export type PullTarget =
  /** The layers stay in the store. */
  | { readonly kind: 'store' }
  /** A bundle directory with the mounted rootfs and config.json; `given`: its runtime has made it. */
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
  /** How often the blob was fetched now: 0 from the store, 2 where it had to be read again upon the layers below. */
  readonly fetches: number;
}

export interface PullResult {
  /** The logical name, fully expanded, without tag and digest. */
  readonly name: string;
  /** Of the manifest that was run, after the platform was chosen. */
  readonly manifestDigest: Digest;
  /** Of the index that the reference named, if it named one. */
  readonly indexDigest: Digest | undefined;
  readonly platform: string;
  readonly layers: readonly PulledLayer[];
  /** What the layers that were fetched are kept as; undefined for a plain tree. */
  readonly layerFormat: 'directory' | 'erofs' | undefined;
  readonly target: PullTarget;
  /** What was left out or deserves attention, as sentences. */
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
  /** What the layers take of the disk, each once, and the part of it that other images use as well. */
  readonly diskBytes: number;
  readonly sharedBytes: number;
  /** Where it is mounted. */
  readonly mounts: readonly string[];
}

export type { Removal } from '../store/index.ts';

export type LayerProgressState = 'waiting' | 'cached' | 'fetching' | 'verifying' | 'done' | 'failed';

/** What a pull tells while it runs; delivery is best effort and carries no decision. */
export type ProgressEvent =
  | {
      readonly type: 'layer';
      readonly digest: Digest;
      readonly state: LayerProgressState;
      readonly bytes: number;
      readonly total: number;
    }
  | { readonly type: 'stage'; readonly stage: 'resolve' | 'authorize' | 'layers' | 'mount' | 'bundle' }
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
