import { asSealiftError, fromPlainError, prefixError, SealiftError, toPlainError } from '../errors/index.ts';
import { within } from './deadline.ts';
import { currentBacking, describeVolume, summarizeVolume } from './describe-volume.ts';
import { isVolumeLocked, lockVolume, type VolumeLock } from './lock-volume.ts';
import { type Preparation, type PreparedVolume, prepareVolume } from './prepare-volume.ts';
import type {
  DeviceFacts,
  ExpectedDevice,
  KnownVolume,
  MappingFacts,
  Volume,
  VolumeBacking,
  VolumePorts,
  VolumeRequest,
  VolumeSettings,
  VolumeStatus,
  VolumeSummary,
} from './types.ts';
import { VOLUME_LABELS } from './volume-labels.ts';
import { openState, type VolumeStateDirectory } from './volume-record.ts';

/** The longest that a pull waits for the disk to answer a probe. */
const PROBE_TIMEOUT_MS = 10_000;

/** The record of a volume that is, or was, mounted. */
type Mounted = KnownVolume & PreparedVolume;

/**
 * Opens the volume as an earlier run left it. A volume that is ready is used again. An image store that was being
 * prepared is removed and prepared from the start, in the background; any other volume is only removed. `prepare`,
 * `backing` and `status` may be called immediately. Throws `VOLUME_STATE_INVALID`.
 */
export function openVolume(settings: VolumeSettings, ports: VolumePorts): DiskVolume {
  return new DiskVolume(settings, ports, openState(settings.stateDir, settings.bootId));
}

/** A volume on a disk of the host. Only a volume for images is prepared again by itself, and has memory instead. */
export class DiskVolume implements Volume {
  readonly #settings: VolumeSettings;
  readonly #ports: VolumePorts;
  readonly #state: VolumeStateDirectory;
  readonly #label: string;
  #known: KnownVolume | undefined;
  /** The preparation, restoration or removal that is under way; there is never more than one. */
  #flight: { readonly key: string; readonly done: Promise<void> } | undefined;
  #isClosed = false;

  constructor(settings: VolumeSettings, ports: VolumePorts, state: VolumeStateDirectory) {
    this.#settings = settings;
    this.#ports = ports;
    this.#state = state;
    this.#label = VOLUME_LABELS[settings.purpose];
    this.#known = state.readRecord();
    const known = this.#known;
    if (known === undefined || known.state === 'failed') return;
    const { request } = known;
    const begun =
      settings.purpose === 'imageStore'
        ? this.#fly(JSON.stringify(request), () => this.#prepare(request))
        : this.#fly('restoration', () => this.#restore(known));
    // The state records the outcome, and callers that need the volume receive its error.
    begun.catch(() => undefined);
  }

  /** The request of the volume that is mounted, under preparation or failed; undefined when there is none. */
  get request(): VolumeRequest | undefined {
    return this.#known?.request;
  }

  /** True for a disk that no other volume may use: it is mounted, or a program may still write to it. */
  uses({ deviceId, diskseq }: ExpectedDevice): boolean {
    const { state, device } = this.#known ?? {};
    return state !== 'failed' && device?.deviceId === deviceId && device.diskseq === diskseq;
  }

  /** True while a preparation, restoration or removal is under way, or a program that one of them has given up. */
  isBusy(): boolean {
    return this.#flight !== undefined || isVolumeLocked(this.#state.lockPath);
  }

  async prepare(request: VolumeRequest): Promise<VolumeStatus> {
    const key = JSON.stringify(request);
    while (this.#flight !== undefined && this.#flight.key !== key) await settled(this.#flight.done);
    await (this.#flight?.done ?? this.#fly(key, () => this.#prepare(request)));
    return this.status();
  }

  async backing(): Promise<VolumeBacking> {
    await this.probe();
    while (this.#flight !== undefined) await settled(this.#flight.done);
    const backing = currentBacking(this.#known, this.#settings);
    if (backing === undefined) throw prefixError('image store', this.#currentError());
    if (backing.kind === 'device') return backing;
    const { mountPoint, size } = this.#settings.memory;
    await this.#run(() => this.#ports.runOperation('mountMemory', { mountPoint, size }, within(PROBE_TIMEOUT_MS)));
    return backing;
  }

  reportStall(error: Error): void {
    const known = this.#known;
    if (known?.state !== 'ready') return;
    const stalled = new SealiftError('VOLUME_STALLED', `${this.#label}: ${error.message}`, { cause: error });
    this.#remember({ ...known, state: 'stalled', error: toPlainError(stalled) });
  }

  /** Removes mount, mapping and record. Throws `VOLUME_CLEANUP_FAILED` while a program uses the file system. */
  async remove(): Promise<void> {
    while (this.#flight !== undefined) await settled(this.#flight.done);
    await this.#fly('removal', async () => {
      const { leftMs, lock } = await this.#lock();
      try {
        await this.#removeLeftovers(leftMs());
        this.#discard();
      } finally {
        lock.release();
      }
    });
  }

  close(): void {
    this.#isClosed = true;
  }

  status(): Promise<VolumeStatus> {
    return describeVolume(this.#known, this.#settings, this.#ports);
  }

  summary(): VolumeSummary {
    return summarizeVolume(this.#known, this.#settings, this.#ports.commands);
  }

  #fly(key: string, action: () => Promise<void>): Promise<void> {
    const done = this.#run(action).finally(() => {
      this.#flight = undefined;
    });
    this.#flight = { key, done };
    return done;
  }

  async #prepare(request: VolumeRequest): Promise<void> {
    const leftMs = this.#countDown(this.#settings.waitMs);
    const before = this.#known;
    if (isMounted(before) && (await this.#findAgain(before, request, leftMs))) return;
    this.#remember({ state: 'preparing', request, ...(before?.device && { device: before.device }) });
    this.#ports.checkpoint('volume-recorded');
    let lock: VolumeLock | undefined;
    try {
      lock = await lockVolume(this.#state.lockPath, { clock: this.#ports.clock, timeoutMs: leftMs() });
      await this.#prepareLocked(request, { lock, leftMs, before });
    } catch (error) {
      this.#fail(await this.#cleanUp(asSealiftError(error), leftMs));
    } finally {
      lock?.release();
    }
  }

  /**
   * After a restart: goes on with a volume that is still mounted, and removes any other. It is never formatted by itself,
   * because containers would find it empty; the kata agent asks again for a volume whose call has failed.
   */
  async #restore(known: KnownVolume): Promise<void> {
    let lock: VolumeLock | undefined;
    try {
      const locked = await this.#lock();
      lock = locked.lock;
      const { leftMs } = locked;
      if (isMounted(known) && (await this.#isStillThere(known, leftMs))) {
        const { request, device, expected, mapping } = known;
        return this.#remember({ state: 'ready', request, device, expected, mapping });
      }
      await this.#removeLeftovers(leftMs());
      this.#discard();
    } catch (error) {
      this.#fail(asSealiftError(error));
    } finally {
      lock?.release();
    }
  }

  /** Returns false for a mapping that is gone or not mounted. Throws for one that is not ours, or does not answer. */
  async #isStillThere(known: Mounted, leftMs: () => number): Promise<boolean> {
    try {
      return await this.#isAlive(known, leftMs);
    } catch (error) {
      if (error instanceof SealiftError && error.code === 'VOLUME_LOST') return false;
      throw error;
    }
  }

  #countDown(extraMs: number): () => number {
    const { clock } = this.#ports;
    const deadline = clock.nowMs() + this.#settings.timeoutMs + extraMs;
    return () => Math.max(1, Math.ceil(deadline - clock.nowMs()));
  }

  async #lock(): Promise<Pick<Preparation, 'lock' | 'leftMs'>> {
    const leftMs = this.#countDown(0);
    const lock = await lockVolume(this.#state.lockPath, { clock: this.#ports.clock, timeoutMs: leftMs() });
    return { lock, leftMs };
  }

  #discard(): void {
    this.#known = undefined;
    if (!this.#isClosed) this.#state.removeRecord();
  }

  async #prepareLocked(
    request: VolumeRequest,
    { lock, leftMs, before }: Pick<Preparation, 'lock' | 'leftMs'> & { readonly before: KnownVolume | undefined },
  ): Promise<void> {
    const { headerPath } = this.#state;
    const [settings, ports] = [this.#settings, this.#ports];
    await this.#removeLeftovers(leftMs());
    const onClaimed = (device: DeviceFacts) => {
      this.#assertDiskFree(device);
      this.#remember({ state: 'preparing', request, device });
    };
    const prepared = await prepareVolume({ request, settings, ports, lock, headerPath, leftMs, onClaimed });
    if (prepared === undefined) return this.#forget(before);
    this.#remember({ state: 'ready', request, ...prepared });
    ports.checkpoint('volume-ready');
  }

  /** Called when no device of the configured names exists. This is no failure, and an earlier failure stays. */
  #forget(before: KnownVolume | undefined): void {
    if (before?.state === 'failed' || before?.state === 'stalled') {
      this.#remember(before);
      return;
    }
    this.#discard();
  }

  /**
   * Returns true if the volume of an earlier preparation is still mounted and matches the request; false means that it
   * must be prepared again. Throws `VOLUME_IN_USE` for a request that names another device or mount point; the mounted
   * volume stays.
   */
  async #findAgain(before: Mounted, request: VolumeRequest, leftMs: () => number): Promise<boolean> {
    try {
      if (!(await this.#isAlive(before, leftMs))) return false;
    } catch (error) {
      const failure = asSealiftError(error);
      if (failure.code === 'VOLUME_STALLED') this.#fail(failure);
      return false;
    }
    const { device, expected, mapping } = before;
    this.#remember({ state: 'ready', request: before.request, device, expected, mapping });
    await this.#assertSameRequest(before, request, leftMs());
    return true;
  }

  async #isAlive({ expected, mapping, request }: Mounted, leftMs: () => number): Promise<boolean> {
    const { runOperation } = this.#ports;
    const found = await runOperation('inspectMapping', { expected }, within(leftMs()));
    if (!isSameMapping(found, mapping)) return false;
    return runOperation('isVolumeAlive', { mapping, mountPoint: request.mountPoint }, within(leftMs()));
  }

  async #assertSameRequest(before: Mounted, request: VolumeRequest, timeoutMs: number): Promise<void> {
    const { source, mountPoint } = request;
    const isSame = JSON.stringify(request) === JSON.stringify(before.request);
    if (isSame) return;
    const wanted = await this.#ports.runOperation('identifyDevice', { source }, within(timeoutMs));
    // The request comes from the configuration, which names nodes, while the agent named the device by its numbers.
    if (wanted === undefined && source.kind === 'nodes') return;
    const isSameDisk = wanted?.deviceId === before.device.deviceId && wanted.diskseq === before.device.diskseq;
    if (isSameDisk && mountPoint === before.request.mountPoint) return;
    const have = `${before.device.deviceId} on ${before.request.mountPoint}`;
    const asked = `${wanted?.deviceId ?? 'no device'} on ${mountPoint}`;
    throw new SealiftError('VOLUME_IN_USE', `${this.#label}: expected a request for ${have}, got one for ${asked}`, {
      context: { expected: have, actual: asked },
    });
  }

  /**
   * Called before a pull relies on the volume; a stalled disk may answer again. Records the outcome in the state. Does
   * nothing during a preparation, which probes the disk itself.
   */
  async probe(): Promise<void> {
    const known = this.#known;
    if (this.#flight !== undefined || !isMounted(known) || known.state === 'preparing' || known.state === 'failed')
      return;
    const { request, device, expected, mapping } = known;
    const { mountPoint } = request;
    try {
      const isAlive = await this.#ports.runOperation(
        'isVolumeAlive',
        { mapping, mountPoint },
        within(PROBE_TIMEOUT_MS),
      );
      if (isAlive) return this.#replace(known, { state: 'ready', request, device, expected, mapping });
      throw new SealiftError(
        'VOLUME_LOST',
        `${this.#label}: expected ${mapping.name} mounted on ${mountPoint}, got none`,
      );
    } catch (error) {
      const failure = asSealiftError(error);
      const state = failure.code === 'VOLUME_STALLED' ? 'stalled' : 'failed';
      this.#replace(known, { ...known, state, error: toPlainError(failure) });
    }
  }

  /** Records `next`, unless the state has changed meanwhile or both are `ready`. */
  #replace(known: KnownVolume, next: KnownVolume): void {
    if (this.#known === known && (next.state !== 'ready' || known.state !== 'ready')) this.#remember(next);
  }

  #currentError(): SealiftError {
    const error = this.#known?.error;
    if (error !== undefined) return fromPlainError(error);
    return new SealiftError('INTERNAL', `state ${this.#known?.state}: expected an error, got none`);
  }

  #diskUser(disk: ExpectedDevice): string | undefined {
    return this.#ports.findDiskUser?.(disk, this);
  }

  #assertDiskFree(disk: DeviceFacts): void {
    const user = this.#diskUser(disk);
    if (user === undefined) return;
    const message = `claim ${disk.path} (${disk.deviceId}): expected an unused disk, got the one of ${user}`;
    throw new SealiftError('VOLUME_DEVICE_BUSY', message, { context: { deviceId: disk.deviceId, actual: user } });
  }

  async #removeLeftovers(timeoutMs: number): Promise<void> {
    const { mapperName } = this.#settings;
    const recorded = this.#known?.device;
    // What a program of another volume makes on the disk is not a leftover.
    const device = recorded !== undefined && this.#diskUser(recorded) === undefined ? recorded : undefined;
    await this.#ports.runOperation('removeVolume', { mapperName, device }, within(timeoutMs));
  }

  /** Returns the error to report. Leftovers that cannot be removed now are removed by the next preparation. */
  async #cleanUp(failure: SealiftError, leftMs: () => number): Promise<SealiftError> {
    // Each request to a disk that hangs only blocks another thread.
    if (failure.code === 'VOLUME_STALLED') return failure;
    try {
      await this.#removeLeftovers(Math.max(leftMs(), PROBE_TIMEOUT_MS));
      return failure;
    } catch (error) {
      const { code, message, context, hint, cause } = failure;
      const more = asSealiftError(error).message;
      return new SealiftError(code, `${message}; cleaning up failed as well: ${more}`, { context, hint, cause });
    }
  }

  #fail(failure: SealiftError): never {
    const known = this.#known;
    if (known !== undefined) {
      const state = failure.code === 'VOLUME_STALLED' ? 'stalled' : 'failed';
      this.#remember({ ...known, state, error: toPlainError(failure) });
    }
    throw failure;
  }

  #remember(known: KnownVolume): void {
    this.#known = known;
    if (!this.#isClosed) this.#state.writeRecord(known);
  }

  async #run<Value>(action: () => Promise<Value>): Promise<Value> {
    try {
      return await action();
    } catch (error) {
      throw asSealiftError(error);
    }
  }
}

async function settled(promise: Promise<void>): Promise<void> {
  await Promise.allSettled([promise]);
}

function isMounted(known: KnownVolume | undefined): known is Mounted {
  return known?.device !== undefined && known.expected !== undefined && known.mapping !== undefined;
}

function isSameMapping(one: MappingFacts, other: MappingFacts): boolean {
  return one.deviceId === other.deviceId && one.uuids.join() === other.uuids.join();
}
