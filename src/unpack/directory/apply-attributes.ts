import { chmodSync, fchmodSync, fchownSync, lchownSync, readFileSync } from 'node:fs';
import { type ByteString, showByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';
import {
  errnoOf,
  futimes,
  llistxattr,
  lremovexattr,
  lsetxattr,
  lutimes,
  type SystemPath,
} from '../../platform/index.ts';
import { type Attributes, refuseXattr, type Tally } from '../tree/index.ts';
import type { EntryType } from '../types.ts';
import { toSystemPath } from './system-path.ts';

const CAPABILITY = 'security.capability';
const DEFAULT_ACL = 'system.posix_acl_default';
const ACL_PREFIX = 'system.posix_acl_';
const SPECIAL_BITS = 0o7000;

/** How an object was created, so that calls that would change nothing can be skipped. */
interface Made {
  readonly type: EntryType;
  readonly path: SystemPath;
  /** The mode it was created with, before the umask; undefined when owner and mode are unknown. */
  readonly mode: number | undefined;
}

/**
 * Sets owner, extended attributes, mode and times, in the order in which none undoes another: chown clears setuid bits
 * and capabilities, and both an ACL and the umask change the mode.
 */
export class AttributeApplier {
  readonly #privileged: boolean;
  readonly #tally: Tally;
  readonly #umask = readUmask();
  readonly #uid = process.geteuid?.() ?? -1;
  readonly #gid = process.getegid?.() ?? -1;

  constructor(options: { readonly privileged: boolean; readonly tally: Tally }) {
    this.#privileged = options.privileged;
    this.#tally = options.tally;
  }

  /** Sets the attributes of an open file; faster than by path. */
  applyToFile(fd: number, made: Made, attributes: Attributes): void {
    const { uid, gid, mode, mtime } = attributes;
    if (this.#needsOwner(made, attributes)) fchownSync(fd, uid, gid);
    const hasAcl = this.#applyXattrs(made, attributes);
    if (this.#needsMode(made, mode, hasAcl)) fchmodSync(fd, mode);
    futimes(fd, mtime.seconds, mtime.nanoseconds);
  }

  /** Sets the attributes of any other object; the last component of the path is never followed. */
  applyToPath(made: Made, attributes: Attributes): void {
    const { uid, gid, mode, mtime } = attributes;
    if (this.#needsOwner(made, attributes)) lchownSync(made.path, uid, gid);
    const hasAcl = this.#applyXattrs(made, attributes);
    // chmod(2) follows symlinks, which have no mode of their own; every other object here was created by this writer.
    if (made.type !== 'symlink' && this.#needsMode(made, mode, hasAcl)) chmodSync(made.path, mode);
    lutimes(made.path, mtime.seconds, mtime.nanoseconds);
  }

  /** Removes the attributes that an earlier entry of the same directory set. */
  clearXattrs(path: SystemPath): void {
    for (const name of llistxattr(path)) {
      if (name.toString('latin1') !== 'security.selinux') lremovexattr(path, name);
    }
  }

  #needsOwner(made: Made, { uid, gid }: Attributes): boolean {
    const differs = uid !== this.#uid || gid !== this.#gid;
    if (this.#privileged) return differs || made.mode === undefined;
    if (differs) this.#tally.add('owner-without-root');
    return false;
  }

  #needsMode(made: Made, mode: number, hasAcl: boolean): boolean {
    if (made.mode === undefined || hasAcl || (mode & SPECIAL_BITS) !== 0) return true;
    return mode !== (made.mode & ~this.#umask);
  }

  #applyXattrs({ type, path }: Made, { xattrs }: Attributes): boolean {
    let hasAcl = false;
    for (const [name, value] of xattrs) {
      const reason = refuseXattr(type, name, this.#privileged);
      if (reason !== undefined) this.#tally.add(reason);
      else if (this.#setXattr(path, name, value)) hasAcl ||= name.startsWith(ACL_PREFIX);
    }
    return hasAcl;
  }

  #setXattr(path: SystemPath, name: ByteString, value: Uint8Array): boolean {
    try {
      lsetxattr(path, toSystemPath(name), value);
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EPERM' && !this.#privileged) this.#tally.add('xattr-without-root');
      else if (errno === 'EACCES' && name === DEFAULT_ACL) throw defaultAclElsewhere(error);
      else if (errno !== 'ENOTSUP') throw prefixXattr(name, error);
      else if (name === CAPABILITY) throw capabilityUnsupported(error);
      else this.#tally.add('xattr-unsupported');
      return false;
    }
  }
}

function prefixXattr(name: ByteString, error: unknown): unknown {
  if (!(error instanceof SealiftError)) return error;
  const { code, context, message } = error;
  const shown = showByteString(name);
  return new SealiftError(code, `attribute ${shown}: ${message}`, {
    context: { ...context, xattr: shown },
    cause: error,
  });
}

/** acl(5): only directories have a default ACL; for anything else the kernel returns EACCES. */
function defaultAclElsewhere(cause: unknown): SealiftError {
  return new SealiftError('UNPACK_ENTRY_INVALID', 'expected a default ACL on a directory, got one on something else', {
    context: { xattr: DEFAULT_ACL },
    cause,
  });
}

/** A program that loses its capabilities does not run as the image intends, so this is an error. */
function capabilityUnsupported(cause: unknown): SealiftError {
  return new SealiftError(
    'UNPACK_FILESYSTEM_UNSUPPORTED',
    `attribute ${CAPABILITY}: expected a file system that holds capabilities, got ENOTSUP`,
    { context: { xattr: CAPABILITY }, cause },
  );
}

/** Reads the umask from /proc, because umask(2) can only return it by changing it for every thread of the process. */
function readUmask(): number {
  const digits = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return digits === undefined ? 0o777 : Number.parseInt(digits, 8);
}
