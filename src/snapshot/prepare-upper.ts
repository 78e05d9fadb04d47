import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { errnoOf, lgetxattr, llistxattr, lsetxattr, lutimes } from '../platform/index.ts';
import { layerNode } from './layer-node.ts';
import { pathInside, ROOT } from './path.ts';
import { planUpper } from './plan-upper.ts';
import type { PreparedLayer, PreparedUpper } from './types.ts';

const NANOSECONDS = 1_000_000_000n;
const OVERLAY_XATTR = /^(trusted|user)\.overlay\./;

/** Carries out {@link planUpper} in an upper that is empty and that nobody else can reach. */
export function prepareUpper(request: {
  readonly layers: readonly PreparedLayer[];
  readonly upper: string;
}): PreparedUpper {
  const { layers, upper } = request;
  const directories = planUpper(
    layers.map((layer) => ({ implied: layer.implied, lookup: (path) => layerNode(layer.path, path) })),
  );
  const placed = directories.map(({ path, source }) => {
    const layer = source === undefined ? undefined : layers[source];
    return { place: pathInside(upper, path), from: layer && pathInside(layer.path, path), isRoot: path === ROOT };
  });
  // All are made before any gets its attributes: a default ACL would otherwise be inherited by the next one.
  for (const { place, isRoot } of placed) if (!isRoot) mkdirSync(place, { mode: 0o700 });
  let droppedXattrs = 0;
  for (const { place, from } of placed) droppedXattrs += from ? copyAttributes(from, place) : setDefaults(place);
  // Children change the mtime of their parents, so times come when nothing is made any more.
  for (const { place, from } of placed) setTimes(place, from);
  return { directories: placed.length, droppedXattrs };
}

function setDefaults(place: Buffer): number {
  chmodSync(place, 0o755);
  return 0;
}

function copyAttributes(from: Buffer, place: Buffer): number {
  const { uid, gid, mode } = lstatSync(from);
  chownSync(place, uid, gid);
  let dropped = 0;
  for (const name of llistxattr(from)) {
    if (OVERLAY_XATTR.test(name.toString('latin1'))) continue;
    const value = lgetxattr(from, name);
    if (value !== undefined && !trySetXattr(place, name, value)) dropped += 1;
  }
  // Last, since chown clears setuid and setgid; an access ACL was cut to these very permission bits.
  chmodSync(place, mode & 0o7777);
  return dropped;
}

/** False when the upper's file system cannot hold the attribute, as tmpfs before Linux 6.6 cannot hold `user.*`. */
function trySetXattr(place: Buffer, name: Buffer, value: Buffer): boolean {
  try {
    lsetxattr(place, name, value);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOTSUP') return false;
    throw error;
  }
}

function setTimes(place: Buffer, from: Buffer | undefined): void {
  const mtimeNs = from === undefined ? 0n : lstatSync(from, { bigint: true }).mtimeNs;
  const nanoseconds = ((mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  lutimes(place, Number((mtimeNs - nanoseconds) / NANOSECONDS), Number(nanoseconds));
}
