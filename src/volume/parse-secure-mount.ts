import { SealiftError } from '../errors/index.ts';
import type { MountBounds, PurposefulRequest, SecureMountRequest, VolumeSource } from './types.ts';

const VOLUME_TYPE = 'block-device';
/** The required values of these options. The kata agent always sends them, and no other values are supported. */
const FIXED_OPTIONS: ReadonlyMap<string, string> = new Map([
  ['sourceType', 'empty'],
  ['targetType', 'fileSystem'],
  ['filesystemType', 'ext4'],
  ['encryptionType', 'luks2'],
]);
/**
 * These options have no effect, because the host can set the parameters of the agent and so forge both: integrity is
 * always on, whatever `dataIntegrity` says, and file systems are always created with the same options. The one exception
 * is the number of inodes of a volume for containers.
 */
const IGNORED_OPTIONS: ReadonlySet<string> = new Set(['mkfsOpts', 'dataIntegrity']);
const SOURCE_OPTIONS: ReadonlySet<string> = new Set(['deviceId', 'devicePath']);
/** A dev_t of Linux has 12 bits for the major number and 20 bits for the minor number. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;

/** The density of files that mkfs.ext4 is asked for, such as `-i 163840`. */
const BYTES_PER_INODE = /(?:^| )-i ([0-9]{1,10})(?= |$)/;
/** The default of mke2fs. Denser tables would take a noticeable share of the disk, and of the time that the agent waits. */
const MIN_BYTES_PER_INODE = 16 * 1024;
/** The most that mke2fs accepts. */
const MAX_BYTES_PER_INODE = 64 * 1024 * 1024;

/**
 * Parses the request of the kata agent, and refuses options that are not supported. The request is attacker-controlled,
 * because the host chooses the device and the options. Throws `VOLUME_REQUEST_INVALID` and
 * `VOLUME_REQUEST_UNSUPPORTED`.
 */
export function parseSecureMount(request: SecureMountRequest, bounds: MountBounds): PurposefulRequest {
  const { volumeType, options, flags } = request;
  if (volumeType !== VOLUME_TYPE) throw unsupported('volume_type', VOLUME_TYPE, volumeType);
  if (flags.length > 0) throw unsupported('flags', 'none', flags.join(','));
  for (const [name, expected] of FIXED_OPTIONS) {
    const actual = options.get(name);
    if (actual !== expected) throw unsupported(name, expected, actual);
  }
  for (const [name, value] of options) {
    const isKnown = FIXED_OPTIONS.has(name) || IGNORED_OPTIONS.has(name) || SOURCE_OPTIONS.has(name);
    if (!isKnown) throw unsupported(name, 'no such option', value);
  }
  const source = parseSource(options);
  const mountPoint = parseMountPoint(request.mountPoint);
  if (mountPoint === bounds.imageStore) return { purpose: 'imageStore', request: { source, mountPoint } };
  if (bounds.mountRoots.some((root) => mountPoint.startsWith(`${root}/`))) {
    return { purpose: 'emptyDir', request: { source, mountPoint, ...parseDensity(options.get('mkfsOpts') ?? '') } };
  }
  const expected = [bounds.imageStore, ...bounds.mountRoots.map((root) => `a directory below ${root}`)].join(' or ');
  throw unsupported('mount_point', expected, request.mountPoint);
}

/** Returns nothing for a density that is absent or out of bounds: the size of the disk decides then. */
function parseDensity(mkfsOptions: string): { readonly bytesPerInode?: number } {
  const [, text] = BYTES_PER_INODE.exec(mkfsOptions) ?? [];
  const bytesPerInode = Number(text);
  const isSafe = bytesPerInode >= MIN_BYTES_PER_INODE && bytesPerInode <= MAX_BYTES_PER_INODE;
  return isSafe ? { bytesPerInode } : {};
}

/** If both options are given, `deviceId` wins, as in confidential-data-hub. */
function parseSource(options: ReadonlyMap<string, string>): VolumeSource {
  const [deviceId, path] = [options.get('deviceId'), options.get('devicePath')];
  if (deviceId !== undefined) return parseDeviceId(deviceId);
  if (path !== undefined) return { kind: 'devicePath', path: parseDevicePath(path) };
  throw invalid('deviceId', 'MAJOR:MINOR of a block device, or devicePath', undefined);
}

function parseDeviceId(deviceId: string): Extract<VolumeSource, { readonly kind: 'deviceId' }> {
  const [, major, minor] = /^([0-9]{1,4}):([0-9]{1,7})$/.exec(deviceId)?.map(Number) ?? [];
  if (major === undefined || minor === undefined || major > MAX_MAJOR || minor > MAX_MINOR) {
    throw invalid('deviceId', 'MAJOR:MINOR', deviceId);
  }
  return { kind: 'deviceId', major, minor };
}

function parseDevicePath(path: string): string {
  if (path.startsWith('/dev/') && isPlain(path)) return path;
  throw invalid('devicePath', 'a path below /dev', path);
}

function parseMountPoint(mountPoint: string): string {
  const path = mountPoint.replace(/\/$/, '');
  if (isPlain(path)) return path;
  throw invalid('mount_point', 'an absolute path', mountPoint);
}

/** True for an absolute path in normal form: without empty parts, `.`, `..` and NUL. */
function isPlain(path: string): boolean {
  const [first, ...names] = path.split('/');
  const arePlain = names.every((name) => name !== '' && name !== '.' && name !== '..');
  return first === '' && names.length > 0 && arePlain && !path.includes('\0');
}

function unsupported(option: string, expected: string, actual: string | undefined): SealiftError {
  return requestFailed('VOLUME_REQUEST_UNSUPPORTED', { option, expected, actual });
}

function invalid(option: string, expected: string, actual: string | undefined): SealiftError {
  return requestFailed('VOLUME_REQUEST_INVALID', { option, expected, actual });
}

const MAX_SHOWN = 200;

function requestFailed(
  code: 'VOLUME_REQUEST_INVALID' | 'VOLUME_REQUEST_UNSUPPORTED',
  mismatch: { readonly option: string; readonly expected: string; readonly actual: string | undefined },
): SealiftError {
  const { option, expected } = mismatch;
  const actual = mismatch.actual === undefined ? 'none' : JSON.stringify(mismatch.actual.slice(0, MAX_SHOWN));
  return new SealiftError(code, `secure mount: ${option}: expected ${expected}, got ${actual}`, {
    context: { option, expected, actual },
  });
}
