import { readlinkSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import { errnoOf } from '../platform/index.ts';

/** The number of links that the kernel follows, too (path_resolution(7)). */
const MAX_LINKS = 40;

/** A path whose bytes are characters (latin1), because names in an image need not be UTF-8. */
type ByteText = string;

function splitPath(path: ByteText): ByteText[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** Returns the target of a link; undefined when the path is anything else or does not exist. */
function readLink(rootfs: string, path: readonly ByteText[]): ByteText | undefined {
  const linkPath = Buffer.concat([Buffer.from(`${rootfs}/`), Buffer.from(path.join('/'), 'latin1')]);
  try {
    return readlinkSync(linkPath, 'buffer').toString('latin1');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EINVAL' || errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw new SealiftError('CONFIG_INVALID', 'image config: WorkingDir: expected a path that can be looked up', {
      cause: error,
    });
  }
}

/** True below /proc and /dev/fd, where the runtime has links to open descriptors: /dev/fd leads to /proc/self/fd. */
function isForbidden([first, second]: readonly ByteText[]): boolean {
  return first === 'proc' || (first === 'dev' && second === 'fd');
}

/**
 * Throws `CONFIG_INVALID` when links of the image lead the working directory to where a descriptor of the host may be
 * found once /proc and /dev are mounted (CVE-2024-21626). A component that does not exist is treated as a directory.
 * `rootfs` must be mounted, and no other process may write to it meanwhile.
 */
export function assertWorkingDirectory(rootfs: string, cwd: string): void {
  const refuse = (why: string): never => {
    throw new SealiftError('CONFIG_INVALID', `image config: WorkingDir "${cwd}": ${why}`);
  };
  const pending = splitPath(Buffer.from(cwd).toString('latin1'));
  let walked: ByteText[] = [];
  let links = 0;
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === '..') {
      walked.pop();
      continue;
    }
    walked.push(name);
    if (isForbidden(walked)) {
      refuse(`expected a path outside /proc and /dev/fd, got links that lead to /${walked.join('/')}`);
    }
    const target = readLink(rootfs, walked);
    if (target === undefined) continue;
    links += 1;
    if (links > MAX_LINKS) refuse(`expected at most ${MAX_LINKS} links, got more`);
    walked = target.startsWith('/') ? [] : walked.slice(0, -1);
    pending.unshift(...splitPath(target));
  }
}
