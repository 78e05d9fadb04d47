import type { Limits } from '../limits/index.ts';
import type { ImageConfig } from '../oci/index.ts';

/** Who the process runs as; every id is 0 – 2³¹−1. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  /** From the image's /etc/passwd. */
  readonly home: string | undefined;
}

export interface RuntimeMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** What we write of https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md */
export interface RuntimeSpec {
  readonly ociVersion: string;
  readonly process: {
    readonly terminal: boolean;
    readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids?: readonly number[] };
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly capabilities: Readonly<Record<'bounding' | 'effective' | 'permitted', readonly string[]>>;
    readonly rlimits: readonly { readonly type: string; readonly hard: number; readonly soft: number }[];
    readonly noNewPrivileges: boolean;
  };
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly mounts: readonly RuntimeMount[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: {
    readonly resources: { readonly devices: readonly { readonly allow: boolean; readonly access: string }[] };
    readonly namespaces: readonly { readonly type: string }[];
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
  };
}

/** A bundle directory that was made fit for a mount; plain data. */
export interface PreparedBundle {
  /** Absolute, symlinks resolved. */
  readonly directory: string;
  /** Where the rootfs is mounted. */
  readonly rootfs: string;
  /** It did not exist before; what undoes a failed pull removes it again. */
  readonly created: boolean;
  /** Tells this directory from another one that took its path. */
  readonly identity: string;
  /** Its config.json is somebody else's: it is neither written nor removed. */
  readonly hasConfig: boolean;
}

/** A bundle that its runtime has made and owns, as the kata agent does. */
export interface GivenBundle {
  /** Absolute paths below which such bundles lie. */
  readonly roots: readonly string[];
}

/** Work on a bundle's directory, as plain data for a worker. */
export type BundleOperation =
  /** `given`: the directory has to be there, below one of the roots, and may have a config.json. */
  | { readonly kind: 'prepare'; readonly directory: string; readonly given?: GivenBundle | undefined }
  | {
      readonly kind: 'write';
      readonly bundle: PreparedBundle;
      readonly imageConfig: ImageConfig;
      readonly rootfsReadonly: boolean;
      readonly limits: Limits;
    }
  /** Before the unmount: is it a bundle, and what is mounted there? */
  | { readonly kind: 'examine'; readonly directory: string }
  /** After the unmount: removes config.json and the empty rootfs, and DIR too if asked and if nothing else is in it. */
  | {
      readonly kind: 'remove';
      readonly directory: string;
      readonly alsoDirectory?: boolean;
      readonly keepConfig?: boolean;
    };

export interface ExaminedBundle {
  readonly directory: string;
  readonly rootfs: string;
  /** Mount points at and below the rootfs, the last mounted first; a point mounted over is listed again. */
  readonly mountPoints: readonly string[];
}

export type BundleOutcome =
  | { readonly kind: 'prepared'; readonly bundle: PreparedBundle }
  | { readonly kind: 'written'; readonly user: ResolvedUser; readonly strippedLabels: readonly string[] }
  | { readonly kind: 'examined'; readonly bundle: ExaminedBundle }
  | { readonly kind: 'removed' };
