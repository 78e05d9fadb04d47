import { randomBytes } from 'node:crypto';
import { closeSync, constants, linkSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Limits } from '../limits/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import { assertWorkingDirectory } from './assert-working-directory.ts';
import { CONFIG_NAME, identityAt, lstatIfAny, refuseBundle } from './bundle-directory.ts';
import { createRuntimeSpec } from './create-runtime-spec.ts';
import { readDirectoryMode } from './read-directory-mode.ts';
import { readRootFile } from './read-root-file.ts';
import { resolveUser } from './resolve-user.ts';
import type { PreparedBundle, ResolvedUser, RuntimeSpec, WrittenBundle } from './types.ts';

/** Refuses a bundle that was removed or replaced while its image was pulled. */
function assertSameDirectory({ directory, identity }: PreparedBundle): void {
  if (identityAt(directory) !== identity) {
    refuseBundle(directory, 'expected the directory in which the pull began, but it was removed or replaced');
  }
}

function resolveUserInRootfs(rootFd: number, user: string, limits: Limits): ResolvedUser {
  const passwd = readRootFile(rootFd, 'etc/passwd', limits.maxUserDatabaseBytes);
  const group = readRootFile(rootFd, 'etc/group', limits.maxUserDatabaseBytes);
  return resolveUser(user, { passwd, group }, limits);
}

function withRoot<Result>(rootfs: string, read: (rootFd: number) => Result): Result {
  const rootFd = openSync(rootfs, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    return read(rootFd);
  } finally {
    closeSync(rootFd);
  }
}

/**
 * Writes config.json so that it appears complete or not at all. It never replaces one: link(2) fails, rename(2) would.
 * Returns its identity.
 */
function publishConfig(directory: string, spec: RuntimeSpec, checkpoint: (name: string) => void): string | undefined {
  const temporary = join(directory, `.${CONFIG_NAME}.${randomBytes(8).toString('hex')}`);
  try {
    writeFileSync(temporary, `${JSON.stringify(spec, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
    checkpoint('config-staged');
    linkSync(temporary, join(directory, CONFIG_NAME));
    return identityAt(temporary);
  } catch (error) {
    return refuseBundle(directory, 'expected to write config.json, got an error', { cause: error });
  } finally {
    if (lstatIfAny(temporary)) unlinkSync(temporary);
  }
}

/**
 * Writes config.json of a bundle whose rootfs is mounted, unless its runtime has written one. The user is looked up
 * inside the rootfs. This is the last step: a bundle is complete when it has a config.json.
 */
export function writeBundle(
  options: {
    readonly bundle: PreparedBundle;
    readonly imageConfig: ImageConfig;
    readonly rootfsReadonly: boolean;
    readonly limits: Limits;
  },
  checkpoint: (name: string) => void,
): WrittenBundle {
  const { bundle, imageConfig, rootfsReadonly, limits } = options;
  assertSameDirectory(bundle);
  const { user, spec, strippedLabels } = withRoot(bundle.rootfs, (rootFd) => {
    const found = resolveUserInRootfs(rootFd, imageConfig.config.user, limits);
    const modeOf = (path: string) => readDirectoryMode(rootFd, path);
    return { user: found, ...createRuntimeSpec({ imageConfig, user: found, rootfsReadonly, modeOf, limits }) };
  });
  assertWorkingDirectory(bundle.rootfs, spec.process.cwd);
  const madeConfig = bundle.hasConfig ? undefined : publishConfig(bundle.directory, spec, checkpoint);
  return { user, strippedLabels, madeConfig };
}
