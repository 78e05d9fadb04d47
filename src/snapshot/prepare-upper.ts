import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { errnoOf, lgetxattr, llistxattr, lsetxattr, lutimes } from '../platform/index.ts';
import { layerNode } from './layer-node.ts';
import { pathInside, ROOT } from './path.ts';
import { planUpper } from './plan-upper.ts';
import type { PreparedLayer, PreparedUpper } from './types.ts';

const NANOSECONDS = 1_000_000_000n;
const OVERLAY_XATTR = /^(trusted|user)\.overlay\./;

/** Carries out {@link planUpper} in an empty upper that no other program can reach. */
export function prepareUpper(request: {
  readonly layers: readonly PreparedLayer[];
  readonly upper: string;
}): PreparedUpper {
  const { layers, upper } = request;
  const directories = planUpper(
    layers.map((layer) => ({ implied: layer.implied, lookup: (path) => layerNode(layer.path, path) })),
  );
  const targets = directories.map(({ path, source }) => {
    const layer = source === undefined ? undefined : layers[source];
    return { target: pathInside(upper, path), from: layer && pathInside(layer.path, path), isRoot: path === ROOT };
  });
  // All are created before any gets its attributes, because the next one would inherit a default ACL.
  for (const { target, isRoot } of targets) if (!isRoot) mkdirSync(target, { mode: 0o700 });
  let droppedXattrs = 0;
  for (const { target, from } of targets) droppedXattrs += from ? copyAttributes(from, target) : setDefaults(target);
  // Creating a child changes the mtime of its parent, so times are set last.
  for (const { target, from } of targets) setTimes(target, from);
  return { directories: targets.length, droppedXattrs };
}

function setDefaults(target: Buffer): number {
  chmodSync(target, 0o755);
  return 0;
}

function copyAttributes(from: Buffer, target: Buffer): number {
  const { uid, gid, mode } = lstatSync(from);
  chownSync(target, uid, gid);
  let dropped = 0;
  for (const name of llistxattr(from)) {
    if (OVERLAY_XATTR.test(name.toString('latin1'))) continue;
    const value = lgetxattr(from, name);
    if (value !== undefined && !trySetXattr(target, name, value)) dropped += 1;
  }
  // The mode is set last, because chown clears setuid and setgid. An access ACL already agrees with these bits.
  chmodSync(target, mode & 0o7777);
  return dropped;
}

/** Returns false when the upper's file system cannot hold the attribute; tmpfs holds `user.*` since Linux 6.6. */
function trySetXattr(target: Buffer, name: Buffer, value: Buffer): boolean {
  try {
    lsetxattr(target, name, value);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOTSUP') return false;
    throw error;
  }
}

function setTimes(target: Buffer, from: Buffer | undefined): void {
  const mtimeNs = from === undefined ? 0n : lstatSync(from, { bigint: true }).mtimeNs;
  const nanoseconds = ((mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  lutimes(target, Number((mtimeNs - nanoseconds) / NANOSECONDS), Number(nanoseconds));
}
