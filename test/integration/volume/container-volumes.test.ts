import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { type CallOptions, createRun } from '../../../src/operations/index.ts';
import type { Command, CommandEnd } from '../../../src/platform/index.ts';
import { readMounts } from '../../../src/platform/index.ts';
import { openVolumes, readContainerVolumes, type VolumeOperations, type Volumes } from '../../../src/volume/index.ts';
import type { ExpectedDevice, ExpectedMapping, VolumeRequest, VolumesSettings } from '../../../src/volume/types.ts';
import { memoryFolder } from '../../support/machine/memory-folder.ts';
import { expectFailure } from '../../support/matchers.ts';

const ROOT = '/run/kata-containers/sandbox/storage';
const STORE = '/run/kata-containers/image';
const DONE: CommandEnd = { kind: 'exited', code: 0, stdout: '', stderr: '' };
const SPACE = { sizeBytes: 100, usedBytes: 10, availableBytes: 90 };

const requestFor = (name: string, minor: number): VolumeRequest => ({
  source: { kind: 'deviceId', major: 254, minor },
  mountPoint: `${ROOT}/${name}`,
  bytesPerInode: 163_840,
});

interface Mapping {
  readonly name: string;
  readonly disk: string;
  isMounted: boolean;
}

type Request = Readonly<Record<string, unknown>> & {
  readonly mapperName: string;
  readonly source: { readonly major: number; readonly minor: number };
  readonly expected: ExpectedMapping;
  readonly mapping: { readonly name: string };
  readonly device: ExpectedDevice | undefined;
};

/** A machine with any number of disks, 254:N; the real kernel's mounts are those of the machine of the test. */
class Machine {
  /** Mappings by their names; they outlive the program. */
  readonly mappings = new Map<string, Mapping>();
  readonly calls: { readonly kind: string; readonly request: Request; readonly lane: unknown }[] = [];
  readonly commands: Command[] = [];
  readonly passphrases: Buffer[] = [];
  /** How programs end that do not succeed, by their first parameter. */
  readonly programs = new Map<string, (command: Command) => CommandEnd>();
  /** The lanes of threads that the kernel does not let go. */
  readonly stuckLanes = new Set<unknown>();
  /** What happens at an operation or a program before it succeeds. */
  readonly faults = new Map<string, (request: Request, options?: CallOptions) => unknown>();
  /** The device number that each mapping has; one that the kernel has mounted stands for a mount that is there. */
  mappingDeviceId = '251:999';

  readonly runOperation = createRun<VolumeOperations>(async ({ kind, request: raw }, options): Promise<unknown> => {
    const request = raw as unknown as Request;
    this.calls.push({ kind, request, lane: options?.lane });
    await this.faults.get(kind)?.(request, options);
    switch (kind) {
      case 'claimDevice':
        return { deviceId: diskOf(request), path: '/dev/disk', bytes: 2 ** 30, sectorBytes: 512, diskseq: '9' };
      case 'identifyDevice':
        return { deviceId: diskOf(request), diskseq: '9' };
      case 'inspectMapping':
        return this.#describe(request.expected);
      case 'mountVolume':
        return this.#set(request.mapping.name, true);
      case 'removeVolume':
        this.mappings.delete(request.mapperName);
        return undefined;
      case 'isVolumeAlive':
        return this.mappings.get(request.mapping.name)?.isMounted ?? false;
      case 'measureSpace':
        return SPACE;
      default:
        return undefined;
    }
  });

  readonly start = (command: Command) => {
    this.commands.push(command);
    if (command.stdin !== undefined) this.passphrases.push(Buffer.from(command.stdin));
    return { end: Promise.resolve(this.programs.get(command.parameters[0] ?? '')?.(command) ?? DONE) };
  };

  kinds(): string[] {
    return this.calls.map(({ kind }) => kind).filter((kind) => kind !== 'measureSpace');
  }

  /** The agent unmounts. */
  unmount(): void {
    for (const mapping of this.mappings.values()) mapping.isMounted = false;
  }

  #describe({ name, device }: ExpectedMapping) {
    const known = this.mappings.get(name) ?? { name, disk: device.deviceId, isMounted: false };
    this.mappings.set(name, known);
    const uuids: [string, string] = [`CRYPT-${name}`, `INTEGRITY-${name}`];
    return { name, deviceId: this.mappingDeviceId, path: '/dev/dm-1', bytes: 2 ** 29, uuids };
  }

  #set(name: string, isMounted: boolean): void {
    const mapping = this.mappings.get(name);
    if (mapping === undefined) throw new Error(`no mapping ${name}`);
    mapping.isMounted = isMounted;
  }
}

function diskOf({ source }: Request): string {
  return `${source.major}:${source.minor}`;
}

describe('volumes of containers', () => {
  let folder: string;
  let machine: Machine;
  let nowMs: number;

  beforeEach(() => {
    folder = mkdtempSync(`${memoryFolder()}/sealift-volumes-`);
    machine = new Machine();
    nowMs = 0;
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const settings = (changes: Partial<VolumesSettings> = {}): VolumesSettings => ({
    imageStore: {
      purpose: 'imageStore',
      integrity: 'hmac-sha256',
      required: false,
      waitMs: 60_000,
      stateDir: `${folder}/volume`,
      mapperName: 'sealift-image-store',
      memory: { mountPoint: '/run/memory', size: { kind: 'percent', percent: 50 } },
      bootId: 'this boot',
      timeoutMs: 45_000,
    },
    containersDir: `${folder}/volumes`,
    maxMountedVolumes: 3,
    ...changes,
  });

  const open = (changes: Partial<VolumesSettings> = {}): Volumes =>
    openVolumes(settings(changes), {
      commands: { start: machine.start, stuckPrograms: 0 },
      runOperation: machine.runOperation,
      isStuck: (lane) => machine.stuckLanes.has(lane),
      clock: { nowMs: () => nowMs, sleep: (ms) => delay(ms) },
      checkpoint: () => undefined,
    });

  /** Ends one run and begins the next, in which what happened before no longer counts. */
  function restart(volumes: Volumes): Volumes {
    volumes.close();
    machine.calls.length = 0;
    machine.commands.length = 0;
    return open();
  }

  const statesOf = ({ containers }: Volumes) =>
    containers.summaries().map(({ mountPoint, state, error }) => ({ mountPoint, state, code: error?.code }));
  const settledStates = (volumes: Volumes, expected: unknown) => expect.poll(() => statesOf(volumes)).toEqual(expected);
  const ids = () => (existsSync(`${folder}/volumes`) ? readdirSync(`${folder}/volumes`) : []);
  /** A child program that another test starts may hold a copy of a lock for a moment, and the next sweep goes on. */
  const sweptStates = (volumes: Volumes, expected: unknown) =>
    expect
      .poll(async () => {
        await volumes.containers.sweep();
        return statesOf(volumes);
      })
      .toEqual(expected);
  /** The operation misses its deadline, and the kernel keeps its thread. */
  const hang = (_: Request, options?: CallOptions): never => {
    machine.stuckLanes.add(options?.lane);
    throw options?.deadline?.stalled(options.deadline.ms) ?? new Error('an operation without a deadline');
  };

  it('have each a key, a header, a mapping and a record of their own, and none is the image store', async () => {
    const volumes = open();
    const [one, two] = [requestFor('one', 16), requestFor('two', 32)];
    const statuses = await Promise.all([volumes.containers.mount(one), volumes.containers.mount(two)]);
    expect(statuses).toMatchObject([
      {
        state: 'ready',
        backing: { kind: 'device', directory: one.mountPoint },
        integrity: 'hmac-sha256',
        space: SPACE,
      },
      {
        state: 'ready',
        backing: { kind: 'device', directory: two.mountPoint },
        integrity: 'hmac-sha256',
        space: SPACE,
      },
    ]);
    const parametersOf = (action: string) =>
      machine.commands.flatMap(({ parameters }) => (parameters[0] === action ? [parameters] : []));
    const headers = parametersOf('luksFormat').map((parameters) => parameters[parameters.indexOf('--header') + 1]);
    expect(new Set(headers).size).toBe(2);
    for (const header of headers) expect(header).toMatch(new RegExp(`^${folder}/volumes/[0-9a-f]{16}/volume.header$`));
    expect([...new Set(machine.passphrases.map((bytes) => bytes.toString('hex')))]).toHaveLength(2);
    const names = parametersOf('open').map((parameters) => parameters.at(-1) ?? '');
    expect(names.sort()).toEqual(
      ids()
        .map((id) => `sealift-volume-${id}`)
        .sort(),
    );
    expect(ids()).toHaveLength(2);
    for (const id of ids())
      expect(readdirSync(`${folder}/volumes/${id}`).sort()).toEqual(['volume.json', 'volume.lock']);
    const mounts = machine.calls.filter(({ kind }) => kind === 'mountVolume');
    expect(mounts.map(({ request }) => request['purpose'])).toEqual(['emptyDir', 'emptyDir']);
    expect(volumes.imageStore.summary()).toMatchObject({ state: 'absent', backing: { kind: 'memory' } });
  });

  it('wait for no other disk: each has a lane of its own', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    await volumes.containers.mount(requestFor('two', 32));
    const lanes = new Set(machine.calls.map(({ lane }) => lane as { readonly hasOwnDisk?: boolean }));
    expect([...lanes].map(({ hasOwnDisk }) => hasOwnDisk)).toEqual([true, true]);
  });

  it('are prepared once for calls with the same request, and refuse another disk', async () => {
    const volumes = open();
    const request = requestFor('one', 16);
    await Promise.all([volumes.containers.mount(request), volumes.containers.mount(request)]);
    await volumes.containers.mount(request);
    expect(machine.commands.filter(({ parameters }) => parameters[0] === 'luksFormat')).toHaveLength(1);
    await expectFailure('VOLUME_IN_USE', () => volumes.containers.mount(requestFor('one', 32)));
    expect(statesOf(volumes)).toEqual([{ mountPoint: request.mountPoint, state: 'ready', code: undefined }]);
  });

  it('do not lie in each other', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    await expectFailure('VOLUME_IN_USE', () => volumes.containers.mount(requestFor('one/inner', 32)));
    await Promise.allSettled([
      expectFailure('VOLUME_IN_USE', () => volumes.containers.mount(requestFor('outer/two', 32))),
      volumes.containers.mount(requestFor('outer', 48)),
    ]);
    expect(volumes.containers.owns(`${ROOT}/one/inner`)).toBe(true);
    expect(volumes.containers.owns(ROOT)).toBe(true);
    expect(volumes.containers.owns(`${ROOT}/onerous`)).toBe(false);
    for (const above of [`${ROOT}/`, '/run/', '/']) expect(volumes.containers.owns(above), above).toBe(true);
  });

  it('share no disk, neither with each other nor with the image store', async () => {
    const volumes = open();
    const results = await Promise.allSettled([
      volumes.containers.mount(requestFor('one', 16)),
      volumes.containers.mount(requestFor('two', 16)),
    ]);
    expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'ready')).sort()).toEqual([
      'VOLUME_DEVICE_BUSY',
      'ready',
    ]);
    await volumes.imageStore.prepare({ source: { kind: 'deviceId', major: 254, minor: 0 }, mountPoint: STORE });
    const busy = await expectFailure('VOLUME_DEVICE_BUSY', () => volumes.containers.mount(requestFor('three', 0)));
    expect(busy.message).toContain(`got the one of ${STORE}`);
    await expectFailure('VOLUME_IN_USE', () =>
      volumes.imageStore.prepare({ source: { kind: 'deviceId', major: 254, minor: 16 }, mountPoint: STORE }),
    );
  });

  it('share no disk when one that failed is asked for again', async () => {
    const volumes = open();
    machine.faults.set('checkDevice', () => {
      throw new SealiftError('VOLUME_DEVICE_INVALID', 'as the test wants it');
    });
    await expectFailure('VOLUME_DEVICE_INVALID', () => volumes.containers.mount(requestFor('one', 16)));
    machine.faults.clear();
    expect(await volumes.containers.mount(requestFor('two', 16))).toMatchObject({ state: 'ready' });
    const busy = await expectFailure('VOLUME_DEVICE_BUSY', () => volumes.containers.mount(requestFor('one', 16)));
    expect(busy.message).toContain(`got the one of ${ROOT}/two`);
  });

  it('that fail are cleaned up and listed with their error, never replaced by memory, and work at the next call', async () => {
    const volumes = open();
    machine.faults.set('claimDevice', () => {
      throw new SealiftError('VOLUME_DEVICE_INVALID', 'as the test wants it');
    });
    await expectFailure('VOLUME_DEVICE_INVALID', () => volumes.containers.mount(requestFor('one', 16)));
    expect(statesOf(volumes)).toEqual([{ mountPoint: `${ROOT}/one`, state: 'failed', code: 'VOLUME_DEVICE_INVALID' }]);
    expect(volumes.containers.summaries()[0]?.backing).toBeUndefined();
    expect(machine.kinds()).toEqual(['removeVolume', 'claimDevice', 'removeVolume']);
    machine.faults.clear();
    expect(await volumes.containers.mount(requestFor('one', 16))).toMatchObject({ state: 'ready' });
  });

  it('that stall are reported as stalled, and probed when a thread comes back', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    machine.mappingDeviceId = readMounts()[0]?.deviceId ?? '';
    machine.faults.set('inspectMapping', hang);
    await expectFailure('VOLUME_STALLED', () => volumes.containers.mount(requestFor('one', 16)));
    expect(statesOf(volumes)).toMatchObject([{ state: 'stalled', code: 'VOLUME_STALLED' }]);
    machine.faults.clear();
    machine.calls.length = 0;
    await volumes.containers.sweep();
    expect(machine.calls).toEqual([]);
    machine.stuckLanes.clear();
    await sweptStates(volumes, [{ mountPoint: `${ROOT}/one`, state: 'ready', code: undefined }]);
    expect(machine.kinds()).toEqual(['isVolumeAlive']);
  });

  it('that stalled are probed by one thread at a time', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    machine.faults.set('inspectMapping', hang);
    await expectFailure('VOLUME_STALLED', () => volumes.containers.mount(requestFor('one', 16)));
    const probed = Promise.withResolvers<void>();
    machine.faults.set('isVolumeAlive', () => probed.promise);
    machine.stuckLanes.clear();
    machine.calls.length = 0;
    const sweeps = [volumes.containers.sweep(), volumes.containers.sweep()];
    expect(machine.kinds()).toEqual(['isVolumeAlive']);
    probed.resolve();
    await Promise.all(sweeps);
    expect(statesOf(volumes)).toMatchObject([{ state: 'ready', code: undefined }]);
  });

  it('that stall before they are mounted are removed when their thread has ended, with what it mounted late', async () => {
    const volumes = open({ maxMountedVolumes: 1 });
    machine.faults.set('mountVolume', hang);
    await expectFailure('VOLUME_STALLED', () => volumes.containers.mount(requestFor('one', 16)));
    machine.faults.clear();
    machine.calls.length = 0;
    await volumes.containers.sweep();
    expect(machine.calls).toEqual([]);
    await expectFailure('VOLUME_LIMIT_EXCEEDED', () => volumes.containers.mount(requestFor('two', 32)));
    for (const mapping of machine.mappings.values()) mapping.isMounted = true;
    machine.stuckLanes.clear();
    await sweptStates(volumes, []);
    expect([ids(), machine.mappings.size]).toEqual([[], 0]);
    expect(await volumes.containers.mount(requestFor('two', 16))).toMatchObject({ state: 'ready' });
  });

  it('that stall with a program are removed when the program has ended', async () => {
    const volumes = open();
    let hanging: ChildProcess | undefined;
    machine.programs.set('luksFormat', ({ lockFd = -1 }) => {
      hanging = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', lockFd] });
      return { kind: 'timedOut', isStuck: true, stderr: '' };
    });
    await expectFailure('VOLUME_STALLED', () => volumes.containers.mount(requestFor('one', 16)));
    machine.calls.length = 0;
    await volumes.containers.sweep();
    expect([machine.calls, ids().length]).toEqual([[], 1]);
    const ended = once(hanging ?? new EventEmitter(), 'exit');
    hanging?.stdin?.end();
    await ended;
    await sweptStates(volumes, []);
    expect([ids(), machine.kinds()]).toEqual([[], ['removeVolume']]);
  });

  it('are found again after a restart while they are mounted, and not formatted', async () => {
    const volumes = open();
    const status = await volumes.containers.mount(requestFor('one', 16));
    const next = restart(volumes);
    await settledStates(next, [{ mountPoint: `${ROOT}/one`, state: 'ready', code: undefined }]);
    expect(await next.containers.mount(requestFor('one', 16))).toMatchObject({ mapping: status.mapping });
    expect(machine.commands).toEqual([]);
    expect(machine.kinds()).not.toContain('removeVolume');
  });

  it('are removed after a restart when they are no longer mounted, and never formatted by themselves', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    machine.unmount();
    const next = restart(volumes);
    await settledStates(next, [{ mountPoint: undefined, state: 'absent', code: undefined }]);
    await next.containers.sweep();
    expect([statesOf(next), ids(), machine.mappings.size, machine.commands]).toEqual([[], [], 0, []]);
  });

  it('whose preparation was cut off are removed after the restart, and prepared when the agent asks again', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    const [id = ''] = ids();
    const path = `${folder}/volumes/${id}/volume.json`;
    const { format, bootId, request, device } = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ format, bootId, state: 'preparing', request, device }));
    const next = restart(volumes);
    await expect.poll(() => machine.mappings.size).toBe(0);
    expect(machine.commands).toEqual([]);
    expect(await next.containers.mount(requestFor('one', 16))).toMatchObject({ state: 'ready' });
    expect(machine.commands).toHaveLength(4);
  });

  it('are prepared for a call that comes while they are looked for after a restart', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    machine.unmount();
    const next = restart(volumes);
    expect(await next.containers.mount(requestFor('one', 16))).toMatchObject({ state: 'ready' });
    expect(machine.commands).toHaveLength(4);
    expect([...machine.mappings.values()]).toMatchObject([{ isMounted: true }]);
  });

  it('without a readable record are removed by the names of their mappings', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    writeFileSync(`${folder}/volumes/${ids()[0]}/volume.json`, '{');
    mkdirSync(`${folder}/volumes/not-a-volume`);
    const next = restart(volumes);
    await expect.poll(ids).toEqual(['not-a-volume']);
    expect([machine.mappings.size, statesOf(next)]).toEqual([0, []]);
  });

  it('stay while they are mounted anywhere, and go when the agent has unmounted them', async () => {
    const volumes = open();
    machine.mappingDeviceId = readMounts()[0]?.deviceId ?? '';
    await volumes.containers.mount(requestFor('one', 16));
    machine.calls.length = 0;
    await volumes.containers.sweep();
    expect([machine.calls, ids().length]).toEqual([[], 1]);
    machine.mappingDeviceId = '251:999';
    await volumes.containers.mount(requestFor('two', 32));
    await volumes.containers.sweep();
    expect(statesOf(volumes)).toMatchObject([{ mountPoint: `${ROOT}/one`, state: 'ready' }]);
    expect([ids().length, machine.mappings.size]).toEqual([1, 1]);
  });

  it('that a container still uses are tried again later, not every second', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    const busy = () => {
      throw new SealiftError('VOLUME_CLEANUP_FAILED', 'remove: expected success, got EBUSY');
    };
    machine.faults.set('removeVolume', busy);
    machine.calls.length = 0;
    await expectFailure('VOLUME_CLEANUP_FAILED', () => volumes.containers.sweep());
    await volumes.containers.sweep();
    expect(machine.kinds()).toEqual(['removeVolume']);
    expect(statesOf(volumes)).toMatchObject([{ state: 'ready' }]);
    machine.faults.clear();
    nowMs += 30_000;
    await volumes.containers.sweep();
    expect(statesOf(volumes)).toEqual([]);
  });

  it('are prepared for a call that comes while the one before is removed', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    machine.unmount();
    const [, status] = await Promise.all([volumes.containers.sweep(), volumes.containers.mount(requestFor('one', 32))]);
    expect(status).toMatchObject({ state: 'ready', device: { deviceId: '254:32' } });
    expect(statesOf(volumes)).toMatchObject([{ mountPoint: `${ROOT}/one`, state: 'ready' }]);
    expect(ids()).toHaveLength(1);
  });

  it('have a bound, in which failed ones make room', async () => {
    const volumes = open();
    for (const [name, minor] of [
      ['one', 16],
      ['two', 32],
    ] as const)
      await volumes.containers.mount(requestFor(name, minor));
    machine.faults.set('claimDevice', () => {
      throw new SealiftError('VOLUME_DEVICE_INVALID', 'as the test wants it');
    });
    await expectFailure('VOLUME_DEVICE_INVALID', () => volumes.containers.mount(requestFor('three', 48)));
    machine.faults.clear();
    await volumes.containers.mount(requestFor('four', 64));
    const error = await expectFailure('VOLUME_LIMIT_EXCEEDED', () => volumes.containers.mount(requestFor('five', 80)));
    expect(error.context).toMatchObject({ limit: 'maxMountedVolumes', expected: 3 });
    expect(statesOf(volumes).map(({ mountPoint }) => mountPoint)).toEqual(
      ['one', 'two', 'four'].map((name) => `${ROOT}/${name}`),
    );
  });

  it('are known to another process by their records', async () => {
    const volumes = open();
    await volumes.containers.mount(requestFor('one', 16));
    const ports = { runOperation: machine.runOperation };
    expect(await readContainerVolumes(settings(), ports)).toMatchObject([
      { mountPoint: `${ROOT}/one`, state: 'ready', device: { deviceId: '254:16' }, space: SPACE },
    ]);
    expect(await readContainerVolumes(settings({ containersDir: `${folder}/none` }), ports)).toEqual([]);
    expect(existsSync(`${folder}/none`)).toBe(false);
  });
});
