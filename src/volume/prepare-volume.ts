import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { SealiftError } from '../errors/index.ts';
import type { Run } from '../operations/index.ts';
import { createPassphrase } from './create-passphrase.ts';
import { within } from './deadline.ts';
import type { VolumeLock } from './lock-volume.ts';
import { blocksReadByMkfs, planVolume, type VolumePlan } from './plan-volume.ts';
import { runProgram } from './run-program.ts';
import type {
  DeviceFacts,
  ExpectedMapping,
  MappingFacts,
  VolumeOperations,
  VolumePorts,
  VolumeRequest,
  VolumeSettings,
} from './types.ts';
import { VOLUME_LABELS } from './volume-labels.ts';

/** The size of a LUKS2 header that cryptsetup writes. The file is sparse, so unwritten parts take no memory. */
const HEADER_BYTES = 16 * 1024 * 1024;
const POLL_DEVICE_MS = 100;

/** The inputs of one preparation, and its deadline. */
export interface Preparation {
  readonly request: VolumeRequest;
  readonly settings: VolumeSettings;
  readonly ports: VolumePorts;
  readonly lock: VolumeLock;
  readonly headerPath: string;
  /**
   * Returns the milliseconds until the deadline; at least 1, so that an operation that starts too late times out
   * itself.
   */
  readonly leftMs: () => number;
  /** Called before the disk is changed, so that a restart finds what it has to clean up. */
  readonly onClaimed: (device: DeviceFacts) => void;
}

export interface PreparedVolume {
  readonly device: DeviceFacts;
  readonly expected: ExpectedMapping;
  readonly mapping: MappingFacts;
}

/**
 * Formats the disk, whatever is on it, and mounts it. Returns undefined when none of its possible names exists. On
 * failure the caller cleans up. docs/adr/0015-image-store.md
 */
export async function prepareVolume(preparation: Preparation): Promise<PreparedVolume | undefined> {
  const { request, settings, ports, headerPath } = preparation;
  const run = withDeadline(preparation);
  const device = await findDevice(preparation);
  if (device === undefined) return undefined;
  preparation.onClaimed(device);
  ports.checkpoint('volume-claimed');
  const { mapperName, integrity, purpose } = settings;
  const { mountPoint, bytesPerInode } = request;
  const plan = planVolume(device, { mapperName, integrity, headerPath, purpose, bytesPerInode });
  await encrypt(preparation, plan);
  const mapping = await run('inspectMapping', { expected: plan.expected });
  ports.checkpoint('volume-inspected');
  await makeFilesystem(preparation, plan, mapping);
  // If the host has replaced the superblock since, the tables differ now.
  await run('inspectMapping', { expected: plan.expected });
  await run('mountVolume', { mapping, mountPoint, purpose });
  ports.checkpoint('volume-mounted');
  return { device, expected: plan.expected, mapping };
}

function withDeadline({ ports, leftMs }: Preparation): Run<VolumeOperations> {
  return (kind, request) => ports.runOperation(kind, request, within(leftMs()));
}

async function findDevice(preparation: Preparation): Promise<DeviceFacts | undefined> {
  const { request, settings, ports } = preparation;
  const { source } = request;
  const deadline = ports.clock.nowMs() + settings.waitMs;
  for (;;) {
    const device = await ports.runOperation('claimDevice', { source }, within(preparation.leftMs()));
    if (device !== undefined) return device;
    if (ports.clock.nowMs() >= deadline) break;
    await ports.clock.sleep(POLL_DEVICE_MS);
  }
  if (source.kind === 'nodes') return undefined;
  const name = source.kind === 'deviceId' ? `${source.major}:${source.minor}` : source.path;
  throw new SealiftError(
    'VOLUME_DEVICE_MISSING',
    `${VOLUME_LABELS[settings.purpose]}: expected the device ${name}, got none`,
    {
      context: { device: name, waitedMs: settings.waitMs },
    },
  );
}

/**
 * Formats and opens the disk. In between, the host can change the superblock of dm-integrity; the tables show it later.
 */
async function encrypt(preparation: Preparation, plan: VolumePlan): Promise<void> {
  const { ports, lock, headerPath, leftMs } = preparation;
  const passphrase = createPassphrase();
  const cryptsetup = (parameters: readonly string[], checkpoint: string) =>
    runProgram(
      ports.commands,
      { program: 'cryptsetup', parameters, stdin: passphrase, timeoutMs: leftMs(), lockFd: lock.fd },
      () => ports.checkpoint(checkpoint),
    );
  try {
    createHeader(headerPath);
    const assertSameDisk = () => ports.runOperation('checkDevice', { device: plan.expected.device }, within(leftMs()));
    await assertSameDisk();
    await cryptsetup(plan.format, 'volume-formatting');
    ports.checkpoint('volume-formatted');
    await assertSameDisk();
    await cryptsetup(plan.open, 'volume-opening');
    ports.checkpoint('volume-opened');
  } finally {
    passphrase.fill(0);
    // The kernel has the key, so the header is no longer needed.
    rmSync(headerPath, { force: true });
  }
}

function createHeader(path: string): void {
  rmSync(path, { force: true });
  const fd = openSync(path, 'wx', 0o600);
  try {
    ftruncateSync(fd, HEADER_BYTES);
  } finally {
    closeSync(fd);
  }
}

async function makeFilesystem(preparation: Preparation, plan: VolumePlan, mapping: MappingFacts): Promise<void> {
  const { ports, lock, leftMs } = preparation;
  const mkfs = (parameters: readonly string[], checkpoint: string) =>
    runProgram(
      ports.commands,
      { program: 'mkfs.ext4', parameters: [...parameters, mapping.path], timeoutMs: leftMs(), lockFd: lock.fd },
      () => ports.checkpoint(checkpoint),
    );
  const dryRun = ['-n', ...plan.filesystem.filter((parameter) => parameter !== '-q')];
  const blocks = blocksReadByMkfs(await mkfs(dryRun, 'volume-planning'));
  await ports.runOperation('clearBlocks', { path: mapping.path, blocks }, within(leftMs()));
  ports.checkpoint('volume-cleared');
  await mkfs(plan.filesystem, 'volume-making-filesystem');
  ports.checkpoint('volume-filesystem-made');
}
