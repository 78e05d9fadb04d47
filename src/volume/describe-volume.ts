import { SealiftError } from '../errors/index.ts';
import { within } from './deadline.ts';
import { integrityOf } from './plan-volume.ts';
import type {
  KnownVolume,
  VolumeBacking,
  VolumePorts,
  VolumeSettings,
  VolumeSpace,
  VolumeStatus,
  VolumeSummary,
} from './types.ts';
import { VOLUME_LABELS } from './volume-labels.ts';
import { readKnownVolume } from './volume-record.ts';

/** Includes the time to start a worker thread on a machine that is busy with a pull. */
const MEASURE_TIMEOUT_MS = 5_000;

type DescribePorts = Pick<VolumePorts, 'runOperation'> & {
  readonly commands: Pick<VolumePorts['commands'], 'stuckPrograms'>;
};

/** Returns the status for a process other than the daemon, from the record that the daemon wrote. Changes nothing. */
export function readVolumeStatus(
  settings: VolumeSettings,
  ports: Pick<VolumePorts, 'runOperation'>,
): Promise<VolumeStatus> {
  const known = readKnownVolume(settings.stateDir, settings.bootId);
  return describeVolume(known, settings, { ...ports, commands: { stuckPrograms: 0 } });
}

export async function describeVolume(
  known: KnownVolume | undefined,
  settings: VolumeSettings,
  ports: DescribePorts,
): Promise<VolumeStatus> {
  const summary = summarizeVolume(known, settings, ports.commands);
  const { backing } = summary;
  return { ...summary, space: backing === undefined ? undefined : await measure(backing, ports) };
}

/** Describes the volume from its record alone, without access to the disk. */
export function summarizeVolume(
  known: KnownVolume | undefined,
  settings: VolumeSettings,
  { stuckPrograms }: DescribePorts['commands'],
): VolumeSummary {
  return {
    state: known?.state ?? 'absent',
    backing: currentBacking(known, settings),
    device: known?.device,
    mountPoint: known?.request.mountPoint,
    mapping: known?.mapping,
    cipher: known?.expected?.cipher,
    integrity: known?.expected === undefined ? undefined : integrityOf(known.expected.cipher),
    error: known?.error,
    stuckPrograms,
  };
}

/** Returns undefined while pulls are refused: a device is being prepared, or is required and not usable. */
export function currentBacking(known: KnownVolume | undefined, settings: VolumeSettings): VolumeBacking | undefined {
  const { required, memory } = settings;
  const inMemory = (reason: string): VolumeBacking => ({ kind: 'memory', directory: memory.mountPoint, reason });
  if (known === undefined) return inMemory('no device for the image store');
  const { state, error, device, request, mapping } = known;
  if (state === 'ready' && mapping !== undefined) {
    const [mappingUuid] = mapping.uuids;
    const reason = `${VOLUME_LABELS[settings.purpose]} on ${device?.deviceId}`;
    return { kind: 'device', directory: request.mountPoint, reason, mappingUuid };
  }
  if (state === 'ready' || state === 'preparing' || required) return undefined;
  return inMemory(`the device of the image store is not usable (${error?.code}), and volume.required is false`);
}

async function measure({ directory }: VolumeBacking, ports: DescribePorts): Promise<VolumeSpace | undefined> {
  try {
    return await ports.runOperation('measureSpace', { directory }, within(MEASURE_TIMEOUT_MS));
  } catch (error) {
    // The status is useful without sizes: memory may not be mounted yet, and `state` already reports a disk that hangs.
    if (error instanceof SealiftError) return undefined;
    throw error;
  }
}
