import { posix } from 'node:path';
import { SealiftError } from '../errors/index.ts';
import { type Limits, limitExceeded } from '../limits/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import { createAnnotations } from './create-annotations.ts';
import {
  DEFAULT_ARGS,
  DEFAULT_CAPABILITIES,
  DEFAULT_MOUNTS,
  DEFAULT_NAMESPACES,
  DEFAULT_PATH,
  HOSTNAME,
  MASKED_PATHS,
  READONLY_PATHS,
  VOLUME_OPTIONS,
} from './runtime-defaults.ts';
import type { DirectoryMode, ResolvedUser, RuntimeMount, RuntimeSpec } from './types.ts';

function assertNoNul(values: readonly string[], what: string): void {
  const bad = values.findIndex((value) => value.includes('\0'));
  if (bad >= 0) {
    throw new SealiftError('CONFIG_INVALID', `image config: ${what} ${bad}: expected text without NUL bytes, got one`);
  }
}

function parseWorkingDirectory(unsafePath: string): string {
  const what = 'WorkingDir';
  const refuse = (expected: string): never => {
    throw new SealiftError('CONFIG_INVALID', `image config: ${what} "${unsafePath}": expected ${expected}`);
  };
  assertNoNul([unsafePath], what);
  if (!unsafePath.startsWith('/')) refuse('an absolute path');
  return cleanPath(unsafePath);
}

/** Removes `.`, `..` and needless slashes by the letters of the path, as runtimes do; above the root is the root. */
function cleanPath(absolutePath: string): string {
  const path = posix.normalize(absolutePath).replace(/^\/+/, '/');
  return path.length > 1 ? path.replace(/\/$/, '') : path;
}

/**
 * Returns the working directory. Refuses one below /proc, since /proc/self/fd/N may be a directory of the host that the
 * runtime left open (CVE-2024-21626), and one below /dev/fd, which runtimes make a link to /proc/self/fd.
 */
function workingDirectory(unsafePath: string): string {
  const path = parseWorkingDirectory(unsafePath || '/');
  const forbidden = ['/proc', '/dev/fd'].find((root) => path === root || path.startsWith(`${root}/`));
  if (forbidden !== undefined) {
    throw new SealiftError(
      'CONFIG_INVALID',
      `image config: WorkingDir "${path}": expected a path outside ${forbidden}`,
    );
  }
  return path;
}

/** Returns the image's Env with the last value of each name, and defaults for PATH and HOME if the image sets none. */
function environment(variables: readonly string[], home: string | undefined): readonly string[] {
  assertNoNul(variables, 'Env');
  const byName = new Map<string, string>();
  for (const variable of variables) {
    const [name = ''] = variable.split('=', 1);
    byName.delete(name);
    byName.set(name, variable);
  }
  if (!byName.has('PATH')) byName.set('PATH', DEFAULT_PATH);
  if (!byName.has('HOME') && home !== undefined) byName.set('HOME', `HOME=${home}`);
  return [...byName.values()];
}

function commandLine(entrypoint: readonly string[], cmd: readonly string[]): readonly string[] {
  const args = [...entrypoint, ...cmd];
  assertNoNul(args, 'argument');
  return args.length > 0 ? args : DEFAULT_ARGS;
}

/**
 * Returns the mounts. Volumes come before the default mounts, so that none can cover /proc or /dev. A volume is a tmpfs
 * into which the runtime copies what the image has there, with the owner and permissions of the image's directory.
 */
function mounts(volumes: readonly string[], { maxVolumes, modeOf }: VolumeRules): readonly RuntimeMount[] {
  if (volumes.length > maxVolumes) {
    const excess = { limit: 'maxVolumes', expected: maxVolumes, actual: volumes.length } as const;
    throw limitExceeded('image config: volumes', excess);
  }
  assertNoNul(volumes, 'volume');
  // Docker and containerd read a relative path as one below the root.
  const paths = new Set(volumes.map((volume) => cleanPath(`/${volume}`)));
  if (paths.has('/')) {
    throw new SealiftError(
      'CONFIG_INVALID',
      'image config: volume "/": expected a path below the root, because it would hide the rootfs',
    );
  }
  const tmpfs = [...paths].map((destination) => ({
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: [...VOLUME_OPTIONS, ...modeOptions(modeOf(destination))],
  }));
  return [...tmpfs, ...DEFAULT_MOUNTS];
}

interface VolumeRules {
  readonly maxVolumes: number;
  readonly modeOf: (path: string) => DirectoryMode | undefined;
}

function modeOptions(known: DirectoryMode | undefined): readonly string[] {
  if (known === undefined) return [];
  return [`mode=${known.mode.toString(8)}`, `uid=${known.uid}`, `gid=${known.gid}`];
}

/**
 * Creates the config.json of a container that runs the image. Throws `CONFIG_INVALID` for an image config that would
 * make a runtime do something dangerous. https://github.com/opencontainers/image-spec/blob/v1.1.1/conversion.md
 */
export function createRuntimeSpec(options: {
  readonly imageConfig: ImageConfig;
  readonly user: ResolvedUser;
  readonly rootfsReadonly: boolean;
  /** Returns owner and permissions of a directory of the image; undefined if it has none at the path. */
  readonly modeOf: (path: string) => DirectoryMode | undefined;
  readonly limits: Limits;
}): { readonly spec: RuntimeSpec; readonly strippedLabels: readonly string[] } {
  const { imageConfig, user, rootfsReadonly, modeOf, limits } = options;
  const { config } = imageConfig;
  if (imageConfig.os !== 'linux') {
    throw new SealiftError('MANIFEST_UNSUPPORTED', `image config: os "${imageConfig.os}": expected linux`);
  }
  const { annotations, strippedLabels } = createAnnotations(imageConfig);
  const capabilities = DEFAULT_CAPABILITIES;
  const spec: RuntimeSpec = {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: {
        uid: user.uid,
        gid: user.gid,
        ...(user.additionalGids.length > 0 ? { additionalGids: user.additionalGids } : {}),
      },
      args: commandLine(config.entrypoint, config.cmd),
      env: environment(config.env, user.home),
      cwd: workingDirectory(config.workingDir),
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: rootfsReadonly },
    hostname: HOSTNAME,
    mounts: mounts(config.volumes, { maxVolumes: limits.maxVolumes, modeOf }),
    annotations,
    linux: {
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      namespaces: DEFAULT_NAMESPACES.map((type) => ({ type })),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  };
  return { spec, strippedLabels };
}
