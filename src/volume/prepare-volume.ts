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

/** As cryptsetup lays a LUKS2 header out. Sparse: what is not written takes no memory. */
const HEADER_BYTES = 16 * 1024 * 1024;
const POLL_DEVICE_MS = 100;

/** One preparation: what it works with, and until when. */
export interface Preparation {
  readonly request: VolumeRequest;
  readonly settings: VolumeSettings;
  readonly ports: VolumePorts;
  readonly lock: VolumeLock;
  readonly headerPath: string;
  /** Milliseconds that are left; never less than 1, so that what is asked for late is late by itself. */
  readonly leftMs: () => number;
  /** Told as soon as there is something that a restart would have to clean up. */
  readonly onClaimed: (device: DeviceFacts) => void;
}

export interface PreparedVolume {
  readonly device: DeviceFacts;
  readonly expected: ExpectedMapping;
  readonly mapping: MappingFacts;
}

/**
 * Formats the disk anew, whatever is on it, and mounts it; undefined when none of the names it could have exists. On
 * failure the caller cleans up.
 */
export async function prepareVolume(preparation: Preparation): Promise<PreparedVolume | undefined> {
  const { request, settings, ports, headerPath } = preparation;
  const run = withDeadline(preparation);
  const device = await findDevice(preparation);
  if (device === undefined) return undefined;
  preparation.onClaimed(device);
  ports.checkpoint('volume-claimed');
  const plan = planVolume(device, { mapperName: settings.mapperName, integrity: settings.integrity, headerPath });
  await encrypt(preparation, plan);
  const mapping = await run('inspectMapping', { expected: plan.expected });
  ports.checkpoint('volume-inspected');
  await makeFilesystem(preparation, plan, mapping);
  // A host that has put another superblock there since would have changed these.
  await run('inspectMapping', { expected: plan.expected });
  await run('mountVolume', { mapping, mountPoint: request.mountPoint });
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
  throw new SealiftError('VOLUME_DEVICE_MISSING', `image store: expected the device ${name}, got none`, {
    context: { device: name, waitedMs: settings.waitMs },
  });
}

/** Format and open in one go: between the two lies only what the host can do to dm-integrity's superblock. */
async function encrypt(preparation: Preparation, plan: VolumePlan): Promise<void> {
  const { ports, headerPath } = preparation;
  const passphrase = createPassphrase();
  try {
    createHeader(headerPath);
    const assertSameDisk = () =>
      ports.runOperation('checkDevice', { device: plan.expected.device }, within(preparation.leftMs()));
    await assertSameDisk();
    await runCryptsetup(preparation, plan.format, passphrase, 'volume-formatting');
    ports.checkpoint('volume-formatted');
    await assertSameDisk();
    await runCryptsetup(preparation, plan.open, passphrase, 'volume-opening');
    ports.checkpoint('volume-opened');
  } finally {
    passphrase.fill(0);
    // The kernel has the key; nobody needs the header any more.
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

async function runCryptsetup(
  { ports, lock, leftMs }: Preparation,
  ...[parameters, stdin, checkpoint]: [readonly string[], Buffer, string]
): Promise<void> {
  const command = { program: 'cryptsetup', parameters, stdin, timeoutMs: leftMs(), lockFd: lock.fd };
  await runProgram(ports.commands, command, () => ports.checkpoint(checkpoint));
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
