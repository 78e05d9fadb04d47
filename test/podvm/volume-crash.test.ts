import { beforeAll, expect, it } from 'vitest';
import type { VolumeRequest, VolumeSettings } from '../../src/volume/types.ts';
import { describeWith } from '../support/machine/needs.ts';
import { expectFailure } from '../support/matchers.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { guestSettings, installVolumeGuest, mountPointOf, VolumeGuest } from '../support/podvm/volume-guest.ts';
import { IS_SOAK } from '../support/soak.ts';

const MIB = 1 << 20;
const CHECKPOINTS = [
  'volume-recorded',
  'volume-claimed',
  'volume-formatting',
  'volume-formatted',
  'volume-opening',
  'volume-opened',
  'volume-inspected',
  'volume-planning',
  'volume-cleared',
  'volume-making-filesystem',
  'volume-filesystem-made',
  'volume-mounted',
  'volume-ready',
] as const;

/**
 * The steps at which one run after the other is killed before one may go on. That takes the emulated machine long: the
 * short run has every sixth step, in one row; the long run has all steps, each by itself.
 */
const KILLS: readonly (readonly (typeof CHECKPOINTS)[number][])[] = IS_SOAK
  ? CHECKPOINTS.map((step) => [step])
  : [CHECKPOINTS.filter((_, at) => at % 6 === 0)];

describeWith(POD_VM_NEEDS, 'the image store after a crash, and on a disk that stops', () => {
  const vm = usePodVm({
    name: 'volume-crash',
    disks: [
      { serial: 'crash', size: 64 * MIB },
      { serial: 'stalls', size: 64 * MIB, nbd: true },
      { serial: 'dies', size: 64 * MIB, nbd: true },
    ],
  });

  beforeAll(() => installVolumeGuest(vm()));

  const shell = (script: string, ...parameters: string[]) => vm().mustRun(['sh', '-c', script, 'sh', ...parameters]);

  async function requestFor(serial: string, settings: VolumeSettings): Promise<VolumeRequest> {
    const [major = 0, minor = 0] = (await vm().disk(serial)).deviceId.split(':').map(Number);
    return { source: { kind: 'deviceId', major, minor }, mountPoint: mountPointOf(settings) };
  }

  it('passes the named steps, and no others', async () => {
    const settings = guestSettings('crash');
    await using guest = await VolumeGuest.start(vm(), { settings });
    await guest.prepare(await requestFor('crash', settings));
    expect((await guest.passed()).checkpoints).toEqual(CHECKPOINTS);
    await shell(
      'umount "$1"; dmsetup remove store-crash; dmsetup remove store-crash_dif; rm -r "$2"',
      mountPointOf(settings),
      settings.stateDir,
    );
  });

  it.each(KILLS.map((steps) => ({ steps })))('killed at $steps: the next start makes it whole', async ({ steps }) => {
    const settings = guestSettings('crash');
    const request = await requestFor('crash', settings);
    for (const [at, dieAt] of steps.entries()) {
      await using dying = await VolumeGuest.start(vm(), { settings, dieAt });
      // The agent asks once; the runs after the first go on by themselves.
      const preparing = (at === 0 ? dying.prepare(request) : dying.backing()).catch(() => 'gone');
      expect(await dying.exited).toBe(137);
      expect(await preparing).toBe('gone');
    }
    await using guest = await VolumeGuest.start(vm(), { settings });
    // The agent does not repeat its call.
    expect(await guest.backing()).toMatchObject({ kind: 'device', directory: request.mountPoint });
    const { checkpoints } = await guest.passed();
    expect(checkpoints.includes('volume-formatted')).toBe(steps.at(-1) !== 'volume-ready');
    const mappings = (await vm().mustRun(['dmsetup', 'ls'])).split('\n').map((line) => line.split('\t')[0]);
    expect(mappings.filter(Boolean).sort()).toEqual(['store-crash', 'store-crash_dif']);
    const mounts = (await vm().mustRun(['cat', '/proc/mounts']))
      .split('\n')
      .filter((line) => line.includes(request.mountPoint));
    expect(mounts).toHaveLength(1);
    expect((await shell('ls "$1"', settings.stateDir)).split('\n').filter(Boolean)).toEqual([
      'volume.json',
      'volume.lock',
    ]);
    await shell('echo works > "$1/file"; sync; grep -q works "$1/file"', request.mountPoint);
    await shell(
      'umount "$1"; dmsetup remove store-crash; dmsetup remove store-crash_dif; rm -r "$2"',
      request.mountPoint,
      settings.stateDir,
    );
  });

  it('killed while a container runs: it goes on, before and after the next start', async () => {
    const settings = guestSettings('crash');
    const request = await requestFor('crash', settings);
    const guest = await VolumeGuest.start(vm(), { settings });
    await guest.prepare(request);
    await shell(
      `cd "$1"; mkdir lower upper work /run/rootfs; echo alive > lower/file
       mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work /run/rootfs`,
      request.mountPoint,
    );
    await guest.kill();
    expect(await shell('cat /run/rootfs/file')).toBe('alive\n');
    await using again = await VolumeGuest.start(vm(), { settings });
    expect(await again.backing()).toMatchObject({ kind: 'device' });
    expect((await again.passed()).checkpoints).toEqual([]);
    expect(await shell('echo more > /run/rootfs/more; cat /run/rootfs/file /run/rootfs/more')).toBe('alive\nmore\n');

    // A volume without its mount is lost, and stays open under the processes that still use it.
    await shell('umount "$1"', request.mountPoint);
    await expectFailure('VOLUME_LOST', () => again.backing());
    await expectFailure('VOLUME_CLEANUP_FAILED', () => again.prepare(request));
    expect(await shell('cat /run/rootfs/file')).toBe('alive\n');
    expect(await again.status()).toMatchObject({ state: 'failed', error: { code: 'VOLUME_CLEANUP_FAILED' } });
    await shell('umount /run/rootfs');
    expect(await again.prepare(request)).toMatchObject({ state: 'ready' });
  });

  it('stalls with a disk that does not answer, lives, and is ready when it does', async () => {
    const settings = guestSettings('stalls', { timeoutMs: 10_000 });
    const request = await requestFor('stalls', settings);
    const disk = await vm().disk('stalls');
    await disk.stall();
    await using guest = await VolumeGuest.start(vm(), { settings });
    await expectFailure('VOLUME_STALLED', () => guest.prepare(request));
    await expectFailure('VOLUME_STALLED', () => guest.backing());
    expect(await guest.status()).toMatchObject({ state: 'stalled', error: { code: 'VOLUME_STALLED' } });
    expect((await guest.passed()).stuckThreads).toBeGreaterThan(0);
    await disk.unstall();
    await expect.poll(async () => (await guest.passed()).stuckThreads).toBe(0);
    expect(await guest.prepare(request)).toMatchObject({ state: 'ready' });
  });

  it('stalls when a program hangs, counts it, and a restart waits for it', async () => {
    const settings = guestSettings('dies', { timeoutMs: 10_000 });
    const request = await requestFor('dies', settings);
    const disk = await vm().disk('dies');
    const guest = await VolumeGuest.start(vm(), { settings, pauseAt: 'volume-claimed', goOn: '/run/go-dies' });
    const preparing = expectFailure('VOLUME_STALLED', () => guest.prepare(request));
    await guest.paused();
    await disk.stall();
    await vm().writeFile('/run/go-dies.1', '');
    await preparing;
    expect(await guest.status()).toMatchObject({ state: 'stalled', stuckPrograms: 1 });
    await guest.kill();
    const early = await VolumeGuest.start(vm(), { settings });
    await expectFailure('VOLUME_STALLED', () => early.backing());
    await early.kill();
    await disk.unstall();
    await using late = await VolumeGuest.start(vm(), { settings });
    expect(await late.backing()).toMatchObject({ kind: 'device' });
    expect(await vm().mustRun(['dmsetup', 'ls'])).not.toContain('temporary-cryptsetup');
  });

  it('is stalled when a pull says so, until a look finds that it answers', async () => {
    const settings = guestSettings('dies', { timeoutMs: 20_000 });
    const request = await requestFor('dies', settings);
    const disk = await vm().disk('dies');
    await using guest = await VolumeGuest.start(vm(), { settings });
    expect(await guest.backing()).toMatchObject({ kind: 'device' });
    await guest.call({ kind: 'reportStall', reason: 'a pull waited for 60000 ms' });
    const { state, error } = await guest.status();
    expect(state).toBe('stalled');
    expect(error?.message).toContain('a pull waited');
    expect(await guest.backing()).toMatchObject({ kind: 'device' });
    expect((await guest.status()).error).toBeUndefined();
    await disk.stall();
    await expectFailure('VOLUME_STALLED', () => guest.backing());
    await disk.unstall();
    expect(await guest.backing()).toMatchObject({ kind: 'device' });
    expect(await guest.prepare(request)).toMatchObject({ state: 'ready' });
  });

  it('fails with a disk that is gone', async () => {
    const settings = guestSettings('dies', { timeoutMs: 20_000 });
    await using guest = await VolumeGuest.start(vm(), { settings });
    expect(await guest.backing()).toMatchObject({ kind: 'device' });
    await (await vm().disk('dies')).kill();
    await expectFailure('VOLUME_DEVICE_FAILED', () => guest.backing());
    expect(await guest.status()).toMatchObject({ state: 'failed', error: { code: 'VOLUME_DEVICE_FAILED' } });
  });
});
