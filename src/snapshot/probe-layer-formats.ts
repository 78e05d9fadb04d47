import { closeSync, lstatSync, readFileSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import {
  type AttachedLoop,
  attachLoop,
  attempt,
  closeFd,
  describeBackingFile,
  errnoOf,
  lackingResource,
  lgetxattr,
  openMemoryFile,
  openUnnamed,
  type Usability,
  writeAll,
} from '../platform/index.ts';
import { openErofs } from './open-erofs.ts';
import { PROBE_TEXT, probeImage } from './probe-image.ts';
import type { LayerFormatProbe } from './types.ts';

/** See {@link SnapshotOperations.probeLayerFormats}. File, device and mount have no name, so none can be left behind. */
export function probeLayerFormats({ directory }: { readonly directory: string }): LayerFormatProbe {
  const fd = writeProbe(directory);
  if (fd === undefined) return { ...probeInMemory(), directIo: undefined };
  try {
    return probeFile(fd);
  } finally {
    closeSync(fd);
  }
}

/** Returns the open image; undefined when the file system has no room for it. */
function writeProbe(directory: string): number | undefined {
  try {
    return fillProbe(openUnnamed(directory));
  } catch (error) {
    if (lackingResource(errnoOf(error), directory) !== undefined) return undefined;
    throw new SealiftError('STORE_IO_FAILED', `write probe image in ${directory}: ${String(error)}`, {
      cause: error,
      context: { path: directory },
    });
  }
}

/** Writes the image, all of it or none: a write that fills the last block of a disk may be short. */
function fillProbe(fd: number): number {
  try {
    writeAll(fd, probeImage(), 0);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Asks the kernel alone: what a full disk needs first is that images are removed, and a pull does that later. */
function probeInMemory(): LayerFormatProbe {
  const fd = openMemoryFile('probe');
  try {
    writeAll(fd, probeImage(), 0);
    return probeFile(fd);
  } finally {
    closeFd(fd);
  }
}

function probeFile(fd: number): LayerFormatProbe {
  const loop = attempt(() => attachLoop(describeBackingFile(fd, 'probe')));
  if (loop.value === undefined) return { loop: loop.usability, erofs: loop.usability, directIo: false };
  return probeLoop(loop.value);
}

function probeLoop({ path, fd, directIo }: AttachedLoop): LayerFormatProbe {
  try {
    const mounted = attempt(() => openErofs(path));
    if (mounted.value === undefined) return { loop: 'usable', erofs: mounted.usability, directIo };
    return { loop: 'usable', erofs: probeTree(mounted.value), directIo };
  } finally {
    closeSync(fd);
  }
}

function probeTree(mountFd: number): Usability {
  try {
    const lacking = attempt(() => findLack(`/proc/self/fd/${mountFd}`));
    if (lacking.usability !== 'usable') return lacking.usability;
    return lacking.value === '' ? 'usable' : { unusable: `the kernel's EROFS does not show ${lacking.value}` };
  } finally {
    closeFd(mountFd);
  }
}

/** Lists what the kernel, depending on its build, does not show as the image has it; empty when nothing is missing. */
function findLack(root: string): string {
  const gone = lstatSync(`${root}/gone`);
  const hasXattr = (name: string, xattr: string) => lgetxattr(`${root}/${name}`, xattr) !== undefined;
  const checks: readonly (readonly [what: string, isShown: boolean])[] = [
    ['the content of files', readFileSync(`${root}/probe`).toString('utf8') === PROBE_TEXT],
    ['whiteouts', gone.isCharacterDevice() && gone.rdev === 0],
    ['opaque directories', lgetxattr(`${root}/opaque`, 'trusted.overlay.opaque')?.toString() === 'y'],
    ['user attributes', hasXattr('probe', 'user.note')],
    ['file capabilities', hasXattr('capable', 'security.capability')],
    ['ACLs', hasXattr('capable', 'system.posix_acl_access')],
  ];
  return checks
    .filter(([, isShown]) => !isShown)
    .map(([what]) => what)
    .join(', ');
}
