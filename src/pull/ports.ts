import type { BundleOperation, BundleOutcome } from '../bundle/index.ts';
import type { TransportSettings } from '../http/index.ts';
import type { WorkerPool } from '../layer/index.ts';
import type { Limits } from '../limits/index.ts';
import type { Platform, Reference } from '../oci/index.ts';
import type { ImageSource } from '../registry/index.ts';
import type { AuthorizedImage, PolicyChoice } from '../signature/index.ts';
import type { LayerMounts, RunSnapshotOperation, Snapshotter } from '../snapshot/index.ts';
import type { Store } from '../store/index.ts';
import type { LayerFormat } from './layer-format.ts';
import type { ProgressEvent } from './types.ts';

/** Has an operation on a bundle done in a worker. */
export type RunBundleOperation = <Kind extends BundleOperation['kind']>(
  operation: Extract<BundleOperation, { kind: Kind }>,
) => Promise<Extract<BundleOutcome, { kind: OutcomeOf<Kind> }>>;

type OutcomeOf<Kind extends BundleOperation['kind']> = {
  prepare: 'prepared';
  write: 'written';
  examine: 'examined';
  remove: 'removed';
}[Kind];

/** What every command that looks at an image needs. */
export interface ImagePorts {
  readonly openSource: (reference: Reference) => ImageSource;
  readonly platform: Platform;
  readonly limits: Limits;
}

/** What a pull needs on top. */
export interface PullPorts extends ImagePorts {
  readonly policy: PolicyChoice;
  /** Throws `CONFIG_CLASS_REFUSED` when the image's proof is too weak for the transport that was configured. */
  readonly assertTransport: (image: AuthorizedImage) => void;
  readonly transport: TransportSettings;
  readonly pool: Pick<WorkerPool, 'stage' | 'openLine'>;
  readonly onProgress: (event: ProgressEvent) => void;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
  readonly isPrivileged: boolean;
  /** Opened when first needed: `--unpack` touches no store. Throws `PRIVILEGE_REQUIRED` without root. */
  readonly openStore: () => Promise<Store>;
  readonly openSnapshotter: (store: Store) => Snapshotter;
  readonly openLayerMounts: (store: Store) => LayerMounts;
  /** What layers made in `dataDir` are to be. Throws `SNAPSHOT_FORMAT_UNSUPPORTED`. */
  readonly chooseLayerFormat: (dataDir: string) => Promise<LayerFormat>;
  readonly runSnapshot: RunSnapshotOperation;
  readonly runBundle: RunBundleOperation;
}
