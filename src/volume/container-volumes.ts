import { hash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { asSealiftError, SealiftError } from '../errors/index.ts';
import { limitExceeded } from '../limits/index.ts';
import type { LaneName } from '../operations/index.ts';
import { errnoOf, readMounts } from '../platform/index.ts';
import { describeVolume } from './describe-volume.ts';
import { type DiskVolume, openVolume } from './open-volume.ts';
import { pathsOverlap } from './paths-overlap.ts';
import type {
  ContainerVolumes,
  ContainerVolumesPorts,
  ExpectedDevice,
  VolumePorts,
  VolumeRequest,
  VolumeSettings,
  VolumeStatus,
  VolumeSummary,
  VolumesSettings,
} from './types.ts';
import { readKnownVolume } from './volume-record.ts';

const ID_PATTERN = /^[0-9a-f]{16}$/;
/** How long a volume is left alone that could not be removed because a program in a container still uses it. */
const REMOVAL_PAUSE_MS = 30_000;

interface Entry {
  readonly volume: DiskVolume;
  /** The calls on its disk. */
  readonly lane: LaneName;
  /** The time before which it is not removed. */
  notBeforeMs: number;
  removal: Promise<void> | undefined;
  probe: Promise<void> | undefined;
}

/** See `ContainerVolumes`. Each volume has a state directory, a mapping, a key and a thread of its own. */
export class DiskVolumes implements ContainerVolumes {
  readonly #settings: VolumesSettings;
  readonly #ports: ContainerVolumesPorts;
  /** Volumes by the names of their state directories. */
  readonly #entries = new Map<string, Entry>();

  /** Opens the volumes of an earlier run. Those that are no longer mounted are removed in the background. */
  constructor(settings: VolumesSettings, ports: ContainerVolumesPorts) {
    this.#settings = settings;
    this.#ports = ports;
    for (const id of volumeIds(settings.containersDir)) {
      const volume = this.#open(id);
      // Without a record only the mapping can be left, which removal finds by its name.
      if (volume.request === undefined) this.#drop(id).catch(() => undefined);
    }
  }

  async mount(request: VolumeRequest): Promise<VolumeStatus> {
    const id = volumeId(request.mountPoint);
    await this.#settle(id);
    if (!this.#entries.has(id) && this.#isFull) {
      await this.#removeFailed();
      await this.#settle(id);
    }
    // From here to the start of the preparation nothing is awaited: another call sees this one.
    this.#assertApart(request.mountPoint);
    return (this.#entries.get(id)?.volume ?? this.#openOneMore(id)).prepare(request);
  }

  owns(path: string): boolean {
    return this.#mountPoints().some((each) => pathsOverlap(each, path));
  }

  async sweep(): Promise<void> {
    if (this.#entries.size === 0) return;
    const mounted = new Set(readMounts().map(({ deviceId }) => deviceId));
    const entries = [...this.#entries];
    const gone = entries.filter(([, entry]) => this.#isGone(entry, mounted));
    const silent = entries.filter(([, entry]) => this.#isSilent(entry));
    const removals = gone.map(([id]) => this.#drop(id));
    const probes = silent.map(([, entry]) => probe(entry));
    const results = await Promise.allSettled([...removals, ...probes]);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw asSealiftError(failed.reason);
  }

  summaries(): readonly VolumeSummary[] {
    return [...this.#entries.values()].map(({ volume }) => volume.summary());
  }

  /** Returns a volume other than the claimant that uses a disk. */
  findUser(disk: ExpectedDevice, claimant: object): DiskVolume | undefined {
    return [...this.#entries.values()]
      .map(({ volume }) => volume)
      .find((volume) => volume !== claimant && volume.uses(disk));
  }

  close(): void {
    for (const { volume } of this.#entries.values()) volume.close();
  }

  #open(id: string): DiskVolume {
    // One disk that hangs must not hold up the others, nor the pulls.
    const lane: LaneName = { owner: `volume ${id}`, hasOwnDisk: true };
    const { runOperation } = this.#ports;
    const volume = openVolume(containerSettings(this.#settings, id), {
      ...this.#ports,
      runOperation: (kind, request, options) => runOperation(kind, request, { ...options, lane }),
    });
    this.#entries.set(id, { volume, lane, notBeforeMs: 0, removal: undefined, probe: undefined });
    return volume;
  }

  #isGone(entry: Entry, mounted: ReadonlySet<string>): boolean {
    if (entry.notBeforeMs > this.#ports.clock.nowMs()) return false;
    return isUnused(entry.volume.summary(), mounted) && !this.#isAtWork(entry);
  }

  /** True for a volume that was mounted when its disk stopped answering, and whose disk may answer again. */
  #isSilent(entry: Entry): boolean {
    const { state, mapping } = entry.volume.summary();
    return state === 'stalled' && mapping !== undefined && !this.#isAtWork(entry);
  }

  /** True while a thread or a program works on the volume, even if nothing waits for it any more. */
  #isAtWork({ volume, lane }: Entry): boolean {
    return volume.isBusy() || this.#ports.isStuck(lane);
  }

  get #isFull(): boolean {
    return this.#entries.size >= this.#settings.maxMountedVolumes;
  }

  /** Failed volumes are kept, so that the status shows them, until their number is needed for others. */
  async #removeFailed(): Promise<void> {
    const isFailed = (entry: Entry): boolean => entry.volume.summary().state === 'failed' && !this.#isAtWork(entry);
    const failed = [...this.#entries].filter(([, entry]) => isFailed(entry));
    await Promise.allSettled(failed.map(([id]) => this.#drop(id)));
  }

  /** Throws `VOLUME_LIMIT_EXCEEDED`. */
  #openOneMore(id: string): DiskVolume {
    if (!this.#isFull) return this.#open(id);
    const limit = 'maxMountedVolumes';
    throw limitExceeded('emptyDir volumes', { limit, expected: this.#settings[limit], actual: 'more' });
  }

  /** One file system over another would hide it, and a container could lead the inner mount elsewhere with a link. */
  #assertApart(mountPoint: string): void {
    const other = this.#mountPoints().find((each) => each !== mountPoint && pathsOverlap(each, mountPoint));
    if (other === undefined) return;
    const message = `emptyDir volume: expected a mount point apart from ${other}, got ${mountPoint}`;
    throw new SealiftError('VOLUME_IN_USE', message, { context: { expected: other, actual: mountPoint } });
  }

  /** Waits for the removal of a volume, after which another one has its directory. */
  async #settle(id: string): Promise<void> {
    for (let removal = this.#entries.get(id)?.removal; removal; removal = this.#entries.get(id)?.removal) {
      await Promise.allSettled([removal]);
    }
  }

  async #drop(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.notBeforeMs = this.#ports.clock.nowMs() + REMOVAL_PAUSE_MS;
    entry.removal ??= this.#remove(id, entry).finally(() => {
      entry.removal = undefined;
    });
    await entry.removal;
  }

  async #remove(id: string, { volume }: Entry): Promise<void> {
    await volume.remove();
    this.#entries.delete(id);
    rmSync(join(this.#settings.containersDir, id), { recursive: true, force: true });
  }

  #mountPoints(): readonly string[] {
    return [...this.#entries.values()].flatMap(({ volume }) => volume.request?.mountPoint ?? []);
  }
}

/**
 * True for a volume that no container can use. The agent unmounts a volume when its pod needs it no longer; another mount
 * of it may still serve a container. The agent got no volume that stalled before it was mounted.
 */
function isUnused({ state, mapping }: VolumeSummary, mounted: ReadonlySet<string>): boolean {
  switch (state) {
    case 'absent':
      return true;
    case 'ready':
      return mapping !== undefined && !mounted.has(mapping.deviceId);
    case 'stalled':
      return mapping === undefined;
    default:
      return false;
  }
}

/** Each probe of a disk that hangs again holds another thread, so there is one at a time. */
function probe(entry: Entry): Promise<void> {
  entry.probe ??= entry.volume.probe().finally(() => {
    entry.probe = undefined;
  });
  return entry.probe;
}

/** Returns the statuses for a process other than the daemon, from the records that the daemon wrote. */
export function readContainerVolumes(
  settings: VolumesSettings,
  ports: Pick<VolumePorts, 'runOperation'>,
): Promise<readonly VolumeStatus[]> {
  const statuses = volumeIds(settings.containersDir).flatMap((id) => {
    const own = containerSettings(settings, id);
    const known = readKnownVolume(own.stateDir, own.bootId);
    if (known === undefined) return [];
    return [describeVolume(known, own, { ...ports, commands: { stuckPrograms: 0 } })];
  });
  return Promise.all(statuses);
}

/** The name of a volume's state directory, and of its mapping. A mount point is too long for either. */
function volumeId(mountPoint: string): string {
  return hash('sha256', mountPoint, 'hex').slice(0, 16);
}

function volumeIds(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => ID_PATTERN.test(name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function containerSettings({ imageStore, containersDir }: VolumesSettings, id: string): VolumeSettings {
  return {
    ...imageStore,
    purpose: 'emptyDir',
    // Memory in its stead would not be what the pod was given.
    required: true,
    waitMs: 0,
    stateDir: join(containersDir, id),
    mapperName: `sealift-volume-${id}`,
  };
}
