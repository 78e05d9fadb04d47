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

/** Owner and permission bits of a directory in the root file system. */
export interface DirectoryMode {
  readonly uid: number;
  readonly gid: number;
  /** 0–07777. */
  readonly mode: number;
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

/** A directory that may become a bundle once it is locked; plain data. */
export interface ClaimedBundle {
  /** The absolute path with all symlinks resolved. */
  readonly directory: string;
  /** True if the pull created the directory; a failed pull then removes it again. */
  readonly created: boolean;
  /** Distinguishes this directory from another one that replaced it at the same path. */
  readonly identity: string;
  /** True if the runtime has made the directory. */
  readonly isGiven: boolean;
}

/** A bundle directory on whose rootfs an image can be mounted; plain data. */
export interface PreparedBundle extends Omit<ClaimedBundle, 'isGiven'> {
  /** The path on which the root file system is mounted. */
  readonly rootfs: string;
  /** The identity of the rootfs directory if the pull created it; a failed pull then removes it again. */
  readonly madeRootfs: string | undefined;
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
  claim(request: { readonly directory: string; readonly given?: GivenBundle | undefined }): ClaimedBundle;
  /** Call it with the directory locked, and all that follow. */
  prepare(request: { readonly bundle: ClaimedBundle }): PreparedBundle;
  /** Writes config.json, which completes the bundle. */
  write(request: {
    readonly bundle: PreparedBundle;
    readonly imageConfig: ImageConfig;
    readonly rootfsReadonly: boolean;
    readonly limits: Limits;
  }): WrittenBundle;
  /** Call before the unmount: finds what is mounted, or refuses what is no bundle. Needs no lock. */
  examine(request: { readonly directory: string }): ExaminedBundle;
  /** Call after the unmount: removes config.json and the empty rootfs. */
  remove(request: { readonly directory: string; readonly keepConfig?: boolean }): void;
  /** Removes what a failed pull has made. `madeConfig`: the identity of the config.json that it wrote. */
  abandon(request: { readonly bundle: PreparedBundle; readonly madeConfig?: string | undefined }): void;
}

export interface WrittenBundle {
  readonly user: ResolvedUser;
  /** Labels of the image that were left out of the annotations. */
  readonly strippedLabels: readonly string[];
  /** The identity of the config.json that was written; undefined: the runtime has written its own. */
  readonly madeConfig: string | undefined;
}

/** The lock of a bundle directory. The kernel releases it when the process ends. */
export interface BundleLock {
  /** The identity of the locked directory. */
  readonly identity: string;
  /**
   * Marks the bundle as one that a pull works on: other pulls are refused instead of waiting. Returns the rootfs, open
   * until `release`. Throws `BUNDLE_INVALID`.
   */
  beginWork(rootfs: string): Promise<number>;
  /** Removes that mark: what is left to do ends by itself, and other pulls wait for it. Idempotent. */
  beginCleanUp(): void;
  /** Idempotent. */
  release(): void;
}

export interface ExaminedBundle {
  readonly directory: string;
  readonly rootfs: string;
  /** Mount points at and below the rootfs, last mounted first; one with two mounts is listed twice. */
  readonly mountPoints: readonly string[];
}
