import type { Limits } from '../limits/index.ts';
import type { ImageConfig } from '../oci/index.ts';

/** The user and groups of the process; every id is in 0 – 2³¹−1. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  /** The home directory in the image's /etc/passwd. */
  readonly home: string | undefined;
}

export interface RuntimeMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** The part that Sealift writes of https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md */
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

/** A bundle directory on whose rootfs an image can be mounted; plain data. */
export interface PreparedBundle {
  /** The absolute path with all symlinks resolved. */
  readonly directory: string;
  /** The path on which the root file system is mounted. */
  readonly rootfs: string;
  /** True if the pull created the directory; a failed pull then removes it again. */
  readonly created: boolean;
  /** Distinguishes this directory from another one that replaced it at the same path. */
  readonly identity: string;
  /** True if the runtime wrote its config.json, which is then neither replaced nor removed. */
  readonly hasConfig: boolean;
}

/** A bundle that the runtime, such as the kata agent, has created and owns. */
export interface GivenBundle {
  /** The absolute paths of the directories that contain such bundles. */
  readonly roots: readonly string[];
}

/** Work on a bundle's directory: plain data in and out, synchronous, run in a worker. Throws `BUNDLE_*`. */
export interface BundleOperations {
  /** `given`: the directory has to exist below one of the roots, and may have a config.json. */
  prepare(request: { readonly directory: string; readonly given?: GivenBundle | undefined }): PreparedBundle;
  /** Writes config.json, which completes the bundle. */
  write(request: {
    readonly bundle: PreparedBundle;
    readonly imageConfig: ImageConfig;
    readonly rootfsReadonly: boolean;
    readonly limits: Limits;
  }): WrittenBundle;
  /** Call before the unmount: finds what is mounted, or refuses what is no bundle. */
  examine(request: { readonly directory: string }): ExaminedBundle;
  /** Call after the unmount: removes config.json and the empty rootfs, and on request the directory if it is empty. */
  remove(request: {
    readonly directory: string;
    readonly alsoDirectory?: boolean;
    readonly keepConfig?: boolean;
  }): void;
}

export interface WrittenBundle {
  readonly user: ResolvedUser;
  /** Labels of the image that were left out of the annotations. */
  readonly strippedLabels: readonly string[];
}

export interface ExaminedBundle {
  readonly directory: string;
  readonly rootfs: string;
  /** Mount points at and below the rootfs, last mounted first; one with two mounts is listed twice. */
  readonly mountPoints: readonly string[];
}
