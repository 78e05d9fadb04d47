import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../platform/index.ts';

/** Errnos for a process that has exited or that we may not inspect. */
const UNREADABLE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ESRCH', 'EINVAL', 'EACCES']);

/**
 * Returns the uppers whose overlay is mounted in any mount namespace: a container keeps its own mount of a rootfs that
 * was unmounted outside. Reads procfs only, which does not wait for disks.
 */
export function mountedUppers(ids: readonly string[]): ReadonlySet<string> {
  const mounted = new Set<string>();
  for (const mountinfo of ids.length === 0 ? [] : everyMountinfo()) {
    for (const id of ids) if (!mounted.has(id) && mountsUpper(mountinfo, id)) mounted.add(id);
    if (mounted.size === ids.length) break;
  }
  return mounted;
}

export function isUpperMounted(id: string): boolean {
  return mountedUppers([id]).has(id);
}

/** Yields the mountinfo of one process of each mount namespace. */
function* everyMountinfo(): Generator<string> {
  const seen = new Set<string>();
  for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    const namespace = readUnlessGone(() => readlinkSync(`/proc/${pid}/ns/mnt`));
    if (namespace === undefined || seen.has(namespace)) continue;
    const mountinfo = readUnlessGone(() => readFileSync(`/proc/${pid}/mountinfo`, 'latin1'));
    if (mountinfo === undefined) continue;
    seen.add(namespace);
    yield mountinfo;
  }
}

/**
 * Searches https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html. An upper that was mounted through a
 * descriptor does not show its path, so any such overlay counts as a match.
 */
export function mountsUpper(mountinfo: string, id: string): boolean {
  return mountinfo
    .split('\n')
    .filter((line) => line.includes(' - overlay '))
    .some((line) => line.includes(`/${id}/upper`) || line.includes('upperdir=/proc/self/fd/'));
}

function readUnlessGone(read: () => string): string | undefined {
  try {
    return read();
  } catch (error) {
    if (UNREADABLE.has(errnoOf(error))) return undefined;
    throw error;
  }
}
