import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { type CallOptions, createRun } from '../../../src/operations/index.ts';
import type { Command, CommandEnd } from '../../../src/platform/index.ts';
import { readVolumeStatus, type VolumeOperations } from '../../../src/volume/index.ts';
import { openVolume } from '../../../src/volume/open-volume.ts';
import type { VolumeRequest, VolumeSettings } from '../../../src/volume/types.ts';
import { memoryFolder } from '../../support/machine/memory-folder.ts';
import { expectFailure } from '../../support/matchers.ts';

const REQUEST: VolumeRequest = { source: { kind: 'deviceId', major: 254, minor: 0 }, mountPoint: '/run/image' };
const DEVICE = { deviceId: '254:0', path: '/dev/vda', bytes: 2 ** 30, sectorBytes: 512, diskseq: '9' };
const MAPPING = {
  name: 'store',
  deviceId: '253:1',
  path: '/dev/dm-1',
  bytes: 2 ** 30,
  uuids: ['CRYPT-LUKS2-1', 'CRYPT-INTEGRITY-1'] as [string, string],
};
const SPACE = { sizeBytes: 100, usedBytes: 10, availableBytes: 90 };
const DONE: CommandEnd = { kind: 'exited', code: 0, stdout: '', stderr: '' };

/** A machine with a disk on which a test can cause faults that no real disk has on demand. */
class Machine {
  readonly operations: string[] = [];
  readonly commands: Command[] = [];
  readonly passphrases: Buffer[] = [];
  /** The results of operations and programs that replace success. */
  readonly faults = new Map<string, (options?: CallOptions) => unknown>();
  headerAtFormat: { readonly size: number; readonly mode: number } | undefined;
  #isMounted = false;

  readonly runOperation = createRun<VolumeOperations>(async ({ kind }, options): Promise<unknown> => {
    this.operations.push(kind);
    const fault = this.faults.get(kind);
    if (fault !== undefined) return fault(options);
    switch (kind) {
      case 'claimDevice':
        return DEVICE;
      case 'identifyDevice':
        return { deviceId: DEVICE.deviceId, diskseq: DEVICE.diskseq };
      case 'inspectMapping':
        return MAPPING;
      case 'mountVolume':
        this.#isMounted = true;
        return undefined;
      case 'removeVolume':
        this.#isMounted = false;
        return undefined;
      case 'isVolumeAlive':
        return this.#isMounted;
      case 'measureSpace':
        return SPACE;
      default:
        return undefined;
    }
  });

  readonly start = (command: Command) => {
    this.commands.push(command);
    const [name = ''] = command.program === 'cryptsetup' ? command.parameters : [command.program];
    if (command.stdin !== undefined) this.passphrases.push(Buffer.from(command.stdin));
    const header = command.parameters[command.parameters.indexOf('--header') + 1];
    if (name === 'luksFormat' && header !== undefined) {
      const { size, mode } = statSync(header);
      this.headerAtFormat = { size, mode: mode & 0o777 };
    }
    const fault = this.faults.get(name);
    return { end: Promise.resolve((fault?.() ?? DONE) as CommandEnd) };
  };
}

describe('openVolume', () => {
  let stateDir: string;
  let machine: Machine;

  beforeEach(() => {
    stateDir = mkdtempSync(`${memoryFolder()}/sealift-volume-`);
    machine = new Machine();
  });

  afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

  const settings = (changes: Partial<VolumeSettings> = {}): VolumeSettings => ({
    purpose: 'imageStore',
    integrity: 'hmac-sha256',
    required: true,
    waitMs: 0,
    stateDir,
    mapperName: 'store',
    memory: { mountPoint: '/run/memory', size: { kind: 'percent', percent: 50 } },
    bootId: 'this boot',
    timeoutMs: 300_000,
    ...changes,
  });

  function open(changes: Partial<VolumeSettings> = {}) {
    return openVolume(settings(changes), {
      commands: { start: machine.start, stuckPrograms: 0 },
      runOperation: machine.runOperation,
      clock: { nowMs: () => performance.now(), sleep: (ms) => delay(ms) },
      checkpoint: () => undefined,
    });
  }

  const fail =
    (code: 'VOLUME_DEVICE_BUSY' | 'VOLUME_TABLE_MISMATCH' | 'VOLUME_CLEANUP_FAILED' | 'LAYER_WORKER_FAILED') => () => {
      throw new SealiftError(code, 'as the test wants it');
    };

  /** Behaves as the worker pool does when an operation does not return in time. */
  const stall = (options?: CallOptions): never => {
    const deadline = options?.deadline;
    throw deadline?.stalled(deadline.ms) ?? new Error('an operation without a deadline');
  };

  it('formats, opens, compares, clears, makes the file system, compares again and mounts', async () => {
    expect(await open().prepare(REQUEST)).toMatchObject({
      state: 'ready',
      backing: { kind: 'device', directory: '/run/image' },
      device: DEVICE,
      mapping: MAPPING,
      space: SPACE,
    });
    expect(machine.operations.filter((kind) => kind !== 'measureSpace')).toEqual([
      ...['removeVolume', 'claimDevice', 'checkDevice', 'checkDevice', 'inspectMapping'],
      ...['clearBlocks', 'inspectMapping', 'mountVolume'],
    ]);
    expect(machine.commands.map(({ program, parameters }) => `${program} ${parameters[0]}`)).toEqual([
      ...['cryptsetup luksFormat', 'cryptsetup open', 'mkfs.ext4 -n', 'mkfs.ext4 -q'],
    ]);
  });

  it('gives the same 64 random bytes to format and open, and forgets them with the header', async () => {
    await open().prepare(REQUEST);
    const [first, second] = machine.passphrases;
    expect(first).toHaveLength(64);
    expect(second?.equals(first ?? Buffer.of())).toBe(true);
    expect(new Set(first).size).toBeGreaterThan(20);
    const given = machine.commands.flatMap(({ stdin }) => (stdin === undefined ? [] : [Buffer.from(stdin)]));
    expect(given).toHaveLength(2);
    expect(given.every((bytes) => bytes.equals(Buffer.alloc(64)))).toBe(true);
    expect(machine.headerAtFormat).toEqual({ size: 16 * 2 ** 20, mode: 0o600 });
    expect(existsSync(`${stateDir}/volume.header`)).toBe(false);
    const words = machine.commands.flatMap(({ parameters }) => parameters).join(' ');
    expect(words).not.toContain(first?.toString('hex') ?? '');
    await open().prepare(REQUEST);
  });

  it('forgets passphrase and header when cryptsetup fails', async () => {
    machine.faults.set('luksFormat', () => ({ kind: 'exited', code: 1, stdout: '', stderr: 'no' }));
    await expectFailure('VOLUME_PROGRAM_FAILED', () => open().prepare(REQUEST));
    expect(machine.commands[0]?.stdin?.every((byte) => byte === 0)).toBe(true);
    expect(existsSync(`${stateDir}/volume.header`)).toBe(false);
    expect(machine.operations.at(-1)).toBe('removeVolume');
  });

  it('makes no file system on a mapping with unexpected tables, and removes the mapping', async () => {
    machine.faults.set('inspectMapping', fail('VOLUME_TABLE_MISMATCH'));
    await expectFailure('VOLUME_TABLE_MISMATCH', () => open().prepare(REQUEST));
    expect(machine.commands.map(({ program }) => program)).not.toContain('mkfs.ext4');
    expect(machine.operations).not.toContain('mountVolume');
    expect(machine.operations.at(-1)).toBe('removeVolume');
  });

  it('reports both failures when leftovers of a failed preparation cannot be removed', async () => {
    machine.faults.set('mountVolume', () => {
      machine.faults.set('removeVolume', fail('VOLUME_CLEANUP_FAILED'));
      throw new SealiftError('VOLUME_DEVICE_FAILED', 'the first');
    });
    const error = await expectFailure('VOLUME_DEVICE_FAILED', () => open().prepare(REQUEST));
    expect(error.message).toBe('the first; cleaning up failed as well: as the test wants it');
  });

  it('stays failed until a preparation succeeds, over a restart as well', async () => {
    machine.faults.set('claimDevice', fail('VOLUME_DEVICE_BUSY'));
    const volume = open();
    await expectFailure('VOLUME_DEVICE_BUSY', () => volume.prepare(REQUEST));
    await expectFailure('VOLUME_DEVICE_BUSY', () => volume.backing());
    const again = open();
    const error = await expectFailure('VOLUME_DEVICE_BUSY', () => again.backing());
    expect(error.message).toBe('image store: as the test wants it');
    expect(await readVolumeStatus(settings(), machine)).toMatchObject({ state: 'failed', error: { code: error.code } });
    machine.faults.clear();
    expect(await again.prepare(REQUEST)).toMatchObject({ state: 'ready', error: undefined });
    expect(await again.backing()).toMatchObject({ kind: 'device' });
  });

  it('uses memory instead of a failed device only when this is allowed, and says why', async () => {
    machine.faults.set('claimDevice', fail('VOLUME_DEVICE_BUSY'));
    const volume = open({ required: false });
    await expectFailure('VOLUME_DEVICE_BUSY', () => volume.prepare(REQUEST));
    const backing = await volume.backing();
    expect(backing).toEqual({
      kind: 'memory',
      directory: '/run/memory',
      reason: expect.stringContaining('VOLUME_DEVICE_BUSY'),
    });
    expect(await volume.status()).toMatchObject({ state: 'failed', backing });
  });

  it('does not fail when none of the configured nodes exists', async () => {
    machine.faults.set('claimDevice', () => undefined);
    const volume = open();
    const nodes: VolumeRequest = { ...REQUEST, source: { kind: 'nodes', paths: ['/dev/image_store'] } };
    expect(await volume.prepare(nodes)).toMatchObject({
      state: 'absent',
      backing: { kind: 'memory' },
      error: undefined,
    });
    expect(machine.commands).toEqual([]);
    expect(existsSync(`${stateDir}/volume.json`)).toBe(false);
    await expectFailure('VOLUME_DEVICE_MISSING', () => volume.prepare(REQUEST));
  });

  it('forgets neither a store nor a failure when the configured node does not exist', async () => {
    const nodes: VolumeRequest = { ...REQUEST, source: { kind: 'nodes', paths: ['/dev/image_store'] } };
    machine.faults.set('claimDevice', fail('VOLUME_DEVICE_BUSY'));
    const volume = open();
    await expectFailure('VOLUME_DEVICE_BUSY', () => volume.prepare(REQUEST));
    machine.faults.set('claimDevice', () => undefined);
    expect(await volume.prepare(nodes)).toMatchObject({ state: 'failed', error: { code: 'VOLUME_DEVICE_BUSY' } });
    await expectFailure('VOLUME_DEVICE_BUSY', () => open().backing());

    machine.faults.clear();
    await volume.prepare(REQUEST);
    machine.faults.set('identifyDevice', () => undefined);
    expect(await volume.prepare(nodes)).toMatchObject({ state: 'ready', device: DEVICE });
    expect(machine.commands).toHaveLength(4);
  });

  it('reports a missed deadline of the disk as a stall, and sends no further operation to the disk', async () => {
    machine.faults.set('clearBlocks', stall);
    const volume = open();
    const error = await expectFailure('VOLUME_STALLED', () => volume.prepare(REQUEST));
    expect(error.context).toMatchObject({ limit: 'volumeTimeoutMs' });
    expect(machine.operations.at(-1)).toBe('clearBlocks');
    await expectFailure('VOLUME_STALLED', () => volume.backing());
    expect(await volume.status()).toMatchObject({ state: 'stalled' });
    machine.faults.clear();
    expect(await volume.prepare(REQUEST)).toMatchObject({ state: 'ready' });
  });

  it('probes the disk before each pull', async () => {
    const volume = open();
    await volume.prepare(REQUEST);
    machine.faults.set('isVolumeAlive', stall);
    await expectFailure('VOLUME_STALLED', () => volume.backing());
    expect(await volume.status()).toMatchObject({ state: 'stalled', error: { code: 'VOLUME_STALLED' } });
    machine.faults.clear();
    expect(await volume.backing()).toMatchObject({ kind: 'device' });
    expect((await volume.status()).error).toBeUndefined();
    expect(machine.commands).toHaveLength(4);
    machine.faults.set('isVolumeAlive', () => false);
    await expectFailure('VOLUME_LOST', () => volume.backing());
  });

  it('does not change the record once closed: threads that end then report nothing about the disk', async () => {
    const volume = open();
    await volume.prepare(REQUEST);
    const before = readFileSync(`${stateDir}/volume.json`, 'utf8');
    volume.close();
    machine.faults.set('isVolumeAlive', fail('LAYER_WORKER_FAILED'));
    await expectFailure('LAYER_WORKER_FAILED', () => volume.backing());
    expect(readFileSync(`${stateDir}/volume.json`, 'utf8')).toBe(before);
    machine.faults.clear();
    expect(await open().backing()).toMatchObject({ kind: 'device' });
    expect(machine.commands).toHaveLength(4);
  });

  it('prepares once for concurrent requests, and reports a failure to all of them', async () => {
    machine.faults.set('claimDevice', fail('VOLUME_DEVICE_BUSY'));
    const volume = open();
    const results = await Promise.allSettled([1, 2, 3].map(() => volume.prepare(REQUEST)));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(machine.operations.filter((kind) => kind === 'claimDevice')).toHaveLength(1);
    machine.faults.clear();
    await Promise.all([1, 2, 3].map(() => volume.prepare(REQUEST)));
    expect(machine.commands).toHaveLength(4);
  });

  it('uses a ready volume again after a restart, and prepares it again when the mapping is another one', async () => {
    await open().prepare(REQUEST);
    expect(await open().backing()).toMatchObject({ kind: 'device' });
    expect(machine.commands).toHaveLength(4);
    machine.faults.set('inspectMapping', () => ({ ...MAPPING, uuids: ['CRYPT-LUKS2-2', 'CRYPT-INTEGRITY-2'] }));
    expect(await open().backing()).toMatchObject({ kind: 'device' });
    expect(machine.commands).toHaveLength(8);
  });

  it.each([
    { what: 'of another boot', change: (text: string) => text.replace('this boot', 'another boot') },
    { what: 'that is truncated', change: (text: string) => text.slice(0, 100) },
    { what: 'of another format', change: (text: string) => text.replace('"format":1', '"format":2') },
  ])('ignores a record $what', async ({ change }) => {
    await open().prepare(REQUEST);
    const path = `${stateDir}/volume.json`;
    writeFileSync(path, change(readFileSync(path, 'utf8')));
    expect(await open().status()).toMatchObject({ state: 'absent' });
    expect(await open().prepare(REQUEST)).toMatchObject({ state: 'ready' });
    expect(machine.commands).toHaveLength(8);
  });

  it('refuses another device or mount point while a store is mounted, and changes nothing', async () => {
    const volume = open();
    await volume.prepare(REQUEST);
    await expectFailure('VOLUME_IN_USE', () => volume.prepare({ ...REQUEST, mountPoint: '/run/other' }));
    machine.faults.set('identifyDevice', () => ({ deviceId: '254:16', diskseq: '10' }));
    const source = { kind: 'deviceId', major: 254, minor: 16 } as const;
    await expectFailure('VOLUME_IN_USE', () => volume.prepare({ ...REQUEST, source }));
    expect(await volume.backing()).toMatchObject({ kind: 'device' });
  });

  it('refuses a state directory that is not in memory', async () => {
    await expectFailure('VOLUME_STATE_INVALID', () => open({ stateDir: '/proc' }));
  });
});
