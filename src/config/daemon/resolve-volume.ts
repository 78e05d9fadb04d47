import { join, normalize } from 'node:path/posix';
import { SealiftError } from '../../errors/index.ts';
import type { Classified } from '../types.ts';
import { DAEMON_DEFAULTS } from './defaults.ts';
import { type ParsedDaemonFile, settingAt } from './parse-daemon-file.ts';
import type { MemorySize, VolumeConfiguration } from './types.ts';

/** Returns a value of the measured file, or the default. */
export function fromFile<T>(value: T | undefined, origin: string, fallback: T): Classified<T> {
  return value === undefined
    ? { value: fallback, class: 'measured', origin: 'default' }
    : { value, class: 'measured', origin };
}

function cleanPath(path: string): string {
  const clean = normalize(path);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

function parseMemorySize(size: number | string): MemorySize {
  return typeof size === 'number'
    ? { kind: 'bytes', bytes: size }
    : { kind: 'percent', percent: Number(size.slice(0, -1)) };
}

/** Four keys set the same directory. Two different values are an error: the layers would be missing in one of them. */
function findMountPoint({ path, file }: ParsedDaemonFile): string | undefined {
  const root = file.store?.data === undefined ? file.store?.root : undefined;
  const written = ['volume.mount_point', 'image.work_dir', 'store.data']
    .map((key) => [key, settingAt(file, key)] as const)
    .concat([['store.root', root === undefined ? undefined : join(root, 'data')]])
    .flatMap(([key, value]) => (typeof value === 'string' ? [{ key, directory: cleanPath(value) }] : []));
  const [first] = written;
  const other = written.find(({ directory }) => directory !== first?.directory);
  if (first !== undefined && other !== undefined) {
    const message = `configuration ${path}: ${other.key}: expected the same directory as ${first.key}, got another`;
    throw new SealiftError('CONFIG_FILE_INVALID', message, { context: { path } });
  }
  return first?.directory;
}

/** Returns the settings of the image store: its devices, its mount points and its protection. */
export function resolveVolume(parsed: ParsedDaemonFile, origin: string): VolumeConfiguration {
  const { volume = {} } = parsed.file;
  const { memory_mount_point: memory, memory_size: size } = volume;
  return {
    devices: fromFile<readonly string[]>(volume.devices, origin, DAEMON_DEFAULTS['volume.devices']),
    waitMs: fromFile<number>(volume.wait_ms, origin, DAEMON_DEFAULTS['volume.wait_ms']),
    required: fromFile<boolean>(volume.required, origin, DAEMON_DEFAULTS['volume.required']),
    integrity: fromFile(volume.integrity, origin, DAEMON_DEFAULTS['volume.integrity']),
    mountPoint: fromFile<string>(findMountPoint(parsed), origin, DAEMON_DEFAULTS['volume.mount_point']),
    mountRoots: fromFile<readonly string[]>(
      volume.mount_roots?.map(cleanPath),
      origin,
      DAEMON_DEFAULTS['volume.mount_roots'],
    ),
    memoryMountPoint: fromFile<string>(
      memory === undefined ? undefined : cleanPath(memory),
      origin,
      DAEMON_DEFAULTS['volume.memory_mount_point'],
    ),
    memorySize: fromFile(
      size === undefined ? undefined : parseMemorySize(size),
      origin,
      DAEMON_DEFAULTS['volume.memory_size'],
    ),
    allowDirectoryLayers: fromFile<boolean>(
      volume.allow_directory_layers,
      origin,
      DAEMON_DEFAULTS['volume.allow_directory_layers'],
    ),
  };
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/**
 * Throws `CONFIG_FILE_INVALID` when one directory lies in another. A mount over the index would hide it, and one over
 * the other mount point would hide the layers there. The host chooses the mount points below a mount root.
 */
export function assertDirectoriesApart(
  { mountPoint, memoryMountPoint, mountRoots }: VolumeConfiguration,
  state: Classified<string>,
): void {
  const others = [
    ['store.state', cleanPath(state.value)],
    ['volume.mount_point', mountPoint.value],
    ['volume.memory_mount_point', memoryMountPoint.value],
  ] as const;
  const pairs: (readonly [setting: string, path: string, over: string, directory: string])[] = [
    ['store.state', cleanPath(state.value), 'volume.mount_point', mountPoint.value],
    ['store.state', cleanPath(state.value), 'volume.memory_mount_point', memoryMountPoint.value],
    ['volume.memory_mount_point', memoryMountPoint.value, 'volume.mount_point', mountPoint.value],
    ['volume.mount_point', mountPoint.value, 'volume.memory_mount_point', memoryMountPoint.value],
  ];
  for (const root of mountRoots.value) {
    for (const [name, directory] of others) {
      pairs.push(['volume.mount_roots', root, name, directory], [name, directory, 'volume.mount_roots', root]);
    }
  }
  for (const [setting, path, over, directory] of pairs) {
    if (!isInside(path, directory)) continue;
    throw new SealiftError(
      'CONFIG_FILE_INVALID',
      `${setting} ${path}: expected a directory outside ${over} ${directory}`,
      {
        context: { setting },
      },
    );
  }
}
