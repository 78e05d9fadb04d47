import type { OpenArchive } from '../archive/index.ts';
import type { BundleLock, BundleOperations } from '../bundle/index.ts';
import type { ImageEndpoints } from '../endpoints/index.ts';
import type { LayerStager } from '../layer/index.ts';
import type { Limits } from '../limits/index.ts';
import type { FileReference, ImageReference, Platform, Reference } from '../oci/index.ts';
import type { Run } from '../operations/index.ts';
import type { KeyLoader, PolicyChoice, SignatureLocations, SignatureVerifier } from '../signature/index.ts';
import type { LayerMounts, SnapshotOperations, Snapshotter } from '../snapshot/index.ts';
import type { MountState, Store, UpperStore } from '../store/index.ts';
import type { LayerFormat } from './layer-format.ts';
import type { ProgressEvent } from './types.ts';

/** What every command that looks at an image needs. */
export interface ImagePorts {
  /** Called once for a pull. No endpoint is asked before the supply's first call. Throws `REGISTRY_BLOCKED`. */
  readonly openEndpoints: (reference: Reference, signal: AbortSignal) => Promise<ImageEndpoints>;
  /**
   * Present only when the reference names files of this machine, so that a daemon never opens a path that its client
   * names. `scratchDir` as in `NamedImageRequest`. Throws `ARCHIVE_*`.
   */
  readonly openArchive?: (
    reference: FileReference,
    options: { readonly scratchDir: string | undefined; readonly signal: AbortSignal },
  ) => Promise<OpenArchive>;
  readonly platform: Platform;
  readonly limits: Limits;
}

/** What is needed to judge an image in addition. */
export interface GatePorts extends ImagePorts {
  readonly policy: PolicyChoice;
  /** Loads the keys that the policy names. */
  readonly keys: KeyLoader;
  readonly verifier: SignatureVerifier;
  /**
   * Finds out where the signatures of images with this name are looked for. Called only when the policy looks at
   * signatures. Throws `REGISTRIES_D_INVALID`.
   */
  readonly locateSignatures: (reference: ImageReference, signal: AbortSignal) => Promise<SignatureLocations>;
}

/** What a pull needs in addition. */
export interface PullPorts extends GatePorts {
  readonly pool: LayerStager;
  readonly onProgress: (event: ProgressEvent) => void;
  /** Called at named moments, so that crash tests hit them exactly. */
  readonly checkpoint: (name: string) => void;
  /** A clock in milliseconds that never goes back. */
  readonly nowMs: () => number;
  /** False: the caller sweeps the store by itself, so that no answer waits for it. */
  readonly sweepsStore: boolean;
  readonly isPrivileged: boolean;
  /** Opened when first needed: `--unpack` touches no store. Throws `PRIVILEGE_REQUIRED` without root. */
  readonly openStore: () => Promise<Store>;
  readonly openSnapshotter: (store: UpperStore & MountState) => Snapshotter;
  readonly openLayerMounts: (store: MountState) => LayerMounts;
  /** Chooses what new layers in `dataDir` are written as. Throws `SNAPSHOT_FORMAT_UNSUPPORTED`. */
  readonly chooseLayerFormat: (dataDir: string) => Promise<LayerFormat>;
  readonly runSnapshot: Run<SnapshotOperations>;
  readonly runBundle: Run<BundleOperations>;
  /** See `lockBundle` of the bundle room. */
  readonly lockBundle: (directory: string, signal?: AbortSignal) => Promise<BundleLock | undefined>;
}
