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

/** The size of a LUKS2 header of cryptsetup. The file is sparse: parts that are not written take no memory. */
const HEADER_BYTES = 16 * 1024 * 1024;
const POLL_DEVICE_MS = 100;

/** What one preparation works with, and its deadline. */
export interface Preparation {
  readonly request: VolumeRequest;
  readonly settings: VolumeSettings;
  readonly ports: VolumePorts;
  readonly lock: VolumeLock;
  readonly headerPath: string;
  /** Returns the milliseconds that are left; at least 1, so that an operation that starts late times out by itself. */
  readonly leftMs: () => number;
  /** Called as soon as there is something that a restart would have to clean up. */
  readonly onClaimed: (device: DeviceFacts) => void;
}

export interface PreparedVolume {
  readonly device: DeviceFacts;
  readonly expected: ExpectedMapping;
  readonly mapping: MappingFacts;
}

/**
 * Formats the disk, whatever is on it, and mounts it; undefined when none of its possible names exists. On failure the
 * caller cleans up.
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
  // If the host has replaced the superblock meanwhile, these tables have changed.
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

/** Formats and opens: between the two, the host can only change dm-integrity's superblock. */
async function encrypt(preparation: Preparation, plan: VolumePlan): Promise<void> {
  const { ports, headerPath } = preparation;
  const passphrase = createPassphrase();
  try {
    createHeader(headerPath);
    const assertSameDisk = () =>
      ports.runOperation('checkDevice', { device: plan.expected.device }, within(preparation.leftMs()));
    await assertSameDisk();
    const format = { parameters: plan.format, stdin: passphrase, checkpoint: 'volume-formatting' };
    await runCryptsetup(preparation, format);
    ports.checkpoint('volume-formatted');
    await assertSameDisk();
    const open = { parameters: plan.open, stdin: passphrase, checkpoint: 'volume-opening' };
    await runCryptsetup(preparation, open);
    ports.checkpoint('volume-opened');
  } finally {
    passphrase.fill(0);
    // The kernel has the key, and the header is no longer needed.
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

interface CryptsetupRun {
  readonly parameters: readonly string[];
  readonly stdin: Buffer;
  /** Passed while the program runs. */
  readonly checkpoint: string;
}

async function runCryptsetup(
  { ports, lock, leftMs }: Preparation,
  { parameters, stdin, checkpoint }: CryptsetupRun,
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
