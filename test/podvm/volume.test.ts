import { beforeAll, expect, it } from 'vitest';
import type { VolumeRequest, VolumeSettings } from '../../src/volume/types.ts';
import { describeWith } from '../support/machine/needs.ts';
import { expectFailure } from '../support/matchers.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { guestSettings, installVolumeGuest, mountPointOf, VolumeGuest } from '../support/podvm/volume-guest.ts';
import { IS_SOAK } from '../support/soak.ts';

const MIB = 1 << 20;
const WORDS = 'known words that must not reach the host';
const LUKS_MAGIC = Buffer.from('4c554b53babe', 'hex');

/** Each preparation takes the emulated machine long: the short run has both odd things of a disk in one. */
const BY_PATH: readonly { readonly serial: string; readonly integrity: 'hmac-sha256' | 'aegis128' }[] = IS_SOAK
  ? [
      { serial: 'wide', integrity: 'hmac-sha256' },
      { serial: 'aegis', integrity: 'aegis128' },
    ]
  : [{ serial: 'wide', integrity: 'aegis128' }];

describeWith(POD_VM_NEEDS, 'the image store on a real disk', () => {
  const vm = usePodVm({
    name: 'volume',
    disks: [
      { serial: 'main', size: 96 * MIB },
      { serial: 'other', size: 64 * MIB },
      { serial: 'control', size: 64 * MIB },
      { serial: 'wide', size: 100 * MIB + 4096, sectorSize: 4096 },
      { serial: 'aegis', size: 64 * MIB },
      { serial: 'tiny', size: 64 * MIB - 4096 },
      { serial: 'read-only', size: 64 * MIB, readOnly: true },
      { serial: 'no-writes', size: 64 * MIB, failing: ['write'] },
      { serial: 'no-reads', size: 64 * MIB, failing: ['read'] },
      { serial: 'odd', size: 64 * MIB },
    ],
  });

  beforeAll(() => installVolumeGuest(vm()));

  const shell = (script: string, ...parameters: string[]) => vm().mustRun(['sh', '-c', script, 'sh', ...parameters]);
  const start = (settings: VolumeSettings) => VolumeGuest.start(vm(), { settings });

  async function byId(serial: string, settings: VolumeSettings): Promise<VolumeRequest> {
    const [major = 0, minor = 0] = (await vm().disk(serial)).deviceId.split(':').map(Number);
    return { source: { kind: 'deviceId', major, minor }, mountPoint: mountPointOf(settings) };
  }

  function byPath(path: string, settings: VolumeSettings): VolumeRequest {
    return { source: { kind: 'devicePath', path }, mountPoint: mountPointOf(settings) };
  }

  const mountsOf = async (mountPoint: string): Promise<string[]> =>
    (await vm().mustRun(['cat', '/proc/mounts'])).split('\n').filter((line) => line.split(' ')[1] === mountPoint);

  it('by device number: encrypted, authenticated, and noise to the host', async () => {
    const settings = guestSettings('main');
    await using guest = await start(settings);
    const request = await byId('main', settings);
    // Two at once prepare once, and a third later finds it.
    const [first, second] = await Promise.all([guest.prepare(request), guest.prepare(request)]);
    expect(second).toEqual(first);
    await guest.prepare(request);
    const { checkpoints } = await guest.passed();
    expect(checkpoints.filter((name) => name === 'volume-formatted')).toHaveLength(1);

    const { deviceId, image } = await vm().disk('main');
    expect(first).toMatchObject({
      state: 'ready',
      backing: { kind: 'device', directory: request.mountPoint },
      device: { deviceId, bytes: 96 * MIB, sectorBytes: 512 },
      cipher: 'capi:authenc(hmac(sha256),xts(aes))-plain64',
      integrity: 'hmac-sha256',
      stuckPrograms: 0,
    });
    expect(first.error).toBeUndefined();
    expect(first.space?.sizeBytes).toBeGreaterThan(85 * MIB);
    expect(await guest.backing()).toMatchObject({ kind: 'device', directory: request.mountPoint });
    expect(await guest.call({ kind: 'recordedStatus' })).toMatchObject({ state: 'ready', mapping: first.mapping });
    const table = await vm().mustRun(['dmsetup', 'table', 'store-main']);
    expect(table).toMatch(
      /^0 \d+ crypt capi:authenc\(hmac\(sha256\),xts\(aes\)\)-plain64 :96:logon:\S+ 0 \d+:\d+ 0 2 integrity:32:aead sector_size:4096\n$/,
    );
    expect(await vm().mustRun(['dmsetup', 'table', 'store-main_dif'])).toContain(' 32 D ');
    const [mounted, ...more] = await mountsOf(request.mountPoint);
    expect(more).toEqual([]);
    expect(mounted).toMatch(/ ext4 rw,nosuid,nodev,noexec,noatime /);
    expect(await shell(`stat -c %a "$1"; ls -A "$1"`, request.mountPoint)).toBe('700\n');

    await shell(`yes "$2" | head -c 8388608 > "$1/file"; sync`, request.mountPoint, WORDS);
    expect(image.allocatedBytes()).toBeGreaterThan(8 * MIB);
    expect(await image.find(Buffer.from(WORDS))).toBeUndefined();
    expect(await image.find(LUKS_MAGIC)).toBeUndefined();
    // No key is left with which it could be opened again.
    expect((await shell('ls /run/state-main')).split('\n').filter(Boolean)).toEqual(['volume.json', 'volume.lock']);
  });

  it('would find words and header on a disk that shows them', async () => {
    const { devicePath, image } = await vm().disk('control');
    await shell(
      `echo 12345678 | cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$1" -
       echo "$2" | dd of="$1" bs=4096 seek=8000 conv=sync,fsync 2>/dev/null`,
      devicePath,
      WORDS,
    );
    expect(await image.find(LUKS_MAGIC)).toBe(0);
    expect(await image.find(Buffer.from(WORDS))).toBe(8000 * 4096);
  });

  it('after a restart: found again, one mapping, one mount, and nothing of it lost', async () => {
    const settings = guestSettings('main');
    const request = await byId('main', settings);
    const tableBefore = await vm().mustRun(['dmsetup', 'table']);
    await using guest = await start(settings);
    const status = await guest.prepare(request);
    expect(status.state).toBe('ready');
    expect((await guest.passed()).checkpoints).toEqual([]);
    expect(await vm().mustRun(['dmsetup', 'table'])).toBe(tableBefore);
    expect(await mountsOf(request.mountPoint)).toHaveLength(1);
    expect(await shell('head -c 11 "$1/file"', request.mountPoint)).toBe('known words');
  });

  it('refuses a second device beside the first, and goes on with the first', async () => {
    const settings = guestSettings('main');
    await using guest = await start(settings);
    await expectFailure('VOLUME_IN_USE', async () => guest.prepare(await byId('other', settings)));
    const elsewhere = { ...(await byId('main', settings)), mountPoint: '/run/elsewhere' };
    await expectFailure('VOLUME_IN_USE', () => guest.prepare(elsewhere));
    const { devicePath } = await vm().disk('main');
    expect(await guest.prepare(byPath(devicePath, settings))).toMatchObject({ state: 'ready' });
  });

  it('holds what containers need: their set-user-ID programs and devices work through overlay', async () => {
    const mountPoint = mountPointOf(guestSettings('main'));
    // debugfs reads a file of root’s for an ordinary user, if its set-user-ID bit is effective.
    const asNobody = `require('node:child_process').spawnSync(process.argv[1], ['-R', 'stats', '/run/secret'],
      { uid: 65534, gid: 65534, stdio: 'inherit' })`;
    const output = await shell(
      `set -e
       mkdir -p "$1/lower/bin" "$1/upper" "$1/work" /run/rootfs
       cp /usr/bin/busybox "$1/lower/bin/busybox"
       mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" /run/rootfs
       chroot /run/rootfs /bin/busybox echo runs
       mknod /run/rootfs/zero c 1 5
       head -c 3 /run/rootfs/zero | od -An -tx1
       truncate -s 1M /run/secret; chmod 600 /run/secret; mkfs.ext4 -q -F -L set-user-id /run/secret
       cp /usr/bin/debugfs /run/rootfs/bin/debugfs
       node=/usr/lib/sealift/lib/node
       echo "without: $($node -e "$2" /run/rootfs/bin/debugfs 2>&1 | grep -c 'volume name: *set-user-id')"
       chmod 4755 /run/rootfs/bin/debugfs
       echo "with: $($node -e "$2" /run/rootfs/bin/debugfs 2>&1 | grep -c 'volume name: *set-user-id')"
       umount /run/rootfs`,
      mountPoint,
      asNobody,
    );
    expect(output).toBe('runs\n 00 00 00\nwithout: 0\nwith: 1\n');
    expect((await vm().run([`${mountPoint}/lower/bin/busybox`, 'true'])).code).toBe(126);
  });

  it.each(BY_PATH)('by path, through a link of udev’s, with $integrity ($serial)', async ({ serial, integrity }) => {
    const settings = guestSettings(serial, { integrity });
    const { devicePath, image } = await vm().disk(serial);
    await shell('ln -sf "$1" /dev/image_store', devicePath);
    await using guest = await start(settings);
    const status = await guest.prepare(byPath('/dev/image_store', settings));
    expect(status).toMatchObject({
      state: 'ready',
      integrity,
      device: { sectorBytes: serial === 'wide' ? 4096 : 512 },
    });
    await shell(`yes "$2" | head -c 1048576 > "$1/file"; sync`, mountPointOf(settings), WORDS);
    await vm().dropCaches();
    expect(await shell('head -c 11 "$1/file"', mountPointOf(settings))).toBe('known words');
    expect(await image.find(Buffer.from(WORDS))).toBeUndefined();
    await vm().mustRun(['rm', '/dev/image_store']);
  });

  it('without a device: memory of the size that was asked for, and the same after a restart', async () => {
    const settings = guestSettings('absent', {
      memory: { mountPoint: '/run/memory', size: { kind: 'percent', percent: 20 } },
    });
    const request: VolumeRequest = {
      source: { kind: 'nodes', paths: ['/dev/image_store', '/dev/trusted_store'] },
      mountPoint: mountPointOf(settings),
    };
    for (const run of ['first', 'second']) {
      await using guest = await start(settings);
      expect(await guest.prepare(request), run).toMatchObject({ state: 'absent', backing: { kind: 'memory' } });
      expect(await guest.backing()).toMatchObject({ kind: 'memory', directory: '/run/memory' });
      expect(await mountsOf('/run/memory')).toHaveLength(1);
      const { space } = await guest.status();
      const [total = 0] = (await vm().mustRun(['sh', '-c', "awk '/MemTotal/{print $2}' /proc/meminfo"]))
        .split('\n')
        .map(Number);
      expect((space?.sizeBytes ?? 0) / (total * 1024)).toBeCloseTo(0.2, 3);
    }
    expect((await mountsOf('/run/memory'))[0]).toMatch(
      /^sealift-image-memory \S+ tmpfs rw,nosuid,nodev,noexec,noatime/,
    );
    expect(await shell('stat -c %a /run/memory')).toBe('700\n');
  });

  it('waits for a late device where configured', async () => {
    const settings = guestSettings('late', { waitMs: 60_000 });
    await using guest = await start(settings);
    const preparing = guest.prepare({
      source: { kind: 'nodes', paths: ['/dev/trusted_store'] },
      mountPoint: mountPointOf(settings),
    });
    await expect.poll(() => guest.passed()).toMatchObject({ checkpoints: ['volume-recorded'] });
    expect(await guest.status()).toMatchObject({ state: 'preparing' });
    const { devicePath } = await vm().plugDisk({ serial: 'late', size: 64 * MIB });
    await shell('ln -s "$1" /dev/trusted_store', devicePath);
    expect(await preparing).toMatchObject({ state: 'ready', device: { path: devicePath } });
    await vm().mustRun(['rm', '/dev/trusted_store']);
  });

  const UNUSABLE = [
    { what: 'a disk that is too small', serial: 'tiny', code: 'VOLUME_DEVICE_INVALID' },
    { what: 'a read-only disk', serial: 'read-only', code: 'VOLUME_DEVICE_INVALID' },
    { what: 'a disk that fails to write', serial: 'no-writes', code: 'VOLUME_PROGRAM_FAILED' },
    { what: 'a disk that fails to read', serial: 'no-reads', code: 'VOLUME_DEVICE_FAILED' },
    { what: 'a directory', make: 'mkdir /dev/odd', code: 'VOLUME_DEVICE_INVALID' },
    { what: 'a file', make: 'echo > /dev/odd', code: 'VOLUME_DEVICE_INVALID' },
    { what: 'a link that leads nowhere', make: 'ln -s nowhere /dev/odd', code: 'VOLUME_DEVICE_INVALID' },
    {
      what: 'a link out of /dev',
      make: 'mknod /tmp/odd b $(echo "$2" | tr : " "); ln -s /tmp/odd /dev/odd',
      code: 'VOLUME_DEVICE_INVALID',
    },
    { what: 'a character device', make: 'mknod /dev/odd c 1 3', code: 'VOLUME_DEVICE_INVALID' },
    { what: 'a number that no device has', make: 'mknod /dev/odd b 254 4095', code: 'VOLUME_DEVICE_INVALID' },
    {
      what: 'a partition',
      make: 'printf "o\\nn\\np\\n1\\n\\n\\nw\\n" | fdisk "$1" > /dev/null; ln -s "$(basename "$1")1" /dev/odd',
      undo: 'dd if=/dev/zero of="$1" bs=512 count=1 conv=fsync 2>/dev/null; blockdev --rereadpt "$1"',
      code: 'VOLUME_DEVICE_INVALID',
    },
    {
      what: 'a mapping',
      make: 'dmsetup create odd --table "0 8192 linear $1 0"; ln -s "$(readlink -f /dev/mapper/odd)" /dev/odd',
      undo: 'dmsetup remove odd',
      code: 'VOLUME_DEVICE_INVALID',
    },
    {
      what: 'a loop device',
      make: 'truncate -s 64M /tmp/loop; ln -s "$(losetup -f)" /dev/odd; losetup -f /tmp/loop',
      undo: 'losetup -d "$(readlink -f /dev/odd)"; rm /tmp/loop',
      code: 'VOLUME_DEVICE_INVALID',
    },
    {
      what: 'a disk below a mapping',
      make: 'dmsetup create odd --table "0 8192 linear $1 0"; ln -s "$(basename "$1")" /dev/odd',
      undo: 'dmsetup remove odd',
      code: 'VOLUME_DEVICE_BUSY',
    },
    {
      what: 'a disk that is mounted',
      make: 'mkfs.ext4 -q -F "$1"; mount -t ext4 -o ro "$1" /mnt; ln -s "$(basename "$1")" /dev/odd',
      undo: 'umount /mnt',
      code: 'VOLUME_DEVICE_BUSY',
    },
  ] as const;

  /** One process for all failures: each replaces the one before. */
  let refusing: VolumeGuest | undefined;
  const refusingSettings = guestSettings('odd');

  it.each(UNUSABLE)('refuses $what, stays failed, and takes no memory unasked', async (row) => {
    refusing ??= await start(refusingSettings);
    const guest = refusing;
    const { devicePath, deviceId } = await vm().disk('serial' in row ? row.serial : 'odd');
    if ('make' in row) await shell(row.make, devicePath, deviceId);
    const path = 'make' in row ? '/dev/odd' : devicePath;
    const readFirst = () => vm().run(['dd', `if=${devicePath}`, 'bs=4096', 'count=1', 'iflag=direct']);
    const [content, tables] = [await readFirst(), await vm().mustRun(['dmsetup', 'ls'])];
    await expectFailure(row.code, () => guest.prepare(byPath(path, refusingSettings)));
    expect(await guest.status()).toMatchObject({ state: 'failed', error: { code: row.code } });
    const error = await expectFailure(row.code, () => guest.backing());
    expect(error.hint.length).toBeGreaterThan(10);
    expect(await mountsOf(mountPointOf(refusingSettings))).toEqual([]);
    expect(await vm().mustRun(['dmsetup', 'ls'])).toBe(tables);
    expect((await readFirst()).stdout.equals(content.stdout)).toBe(true);
    if ('undo' in row) await shell(row.undo, devicePath);
    await vm().mustRun(['rm', '-rf', '/dev/odd', '/tmp/odd']);
  });

  it('remembers a failure over a restart, and uses memory only where configuration allows it', async () => {
    await refusing?.kill();
    await using guest = await start({ ...refusingSettings, required: false });
    const { error } = await guest.status();
    expect(error?.code).toBe('VOLUME_DEVICE_BUSY');
    const backing = await guest.backing();
    expect(backing).toMatchObject({ kind: 'memory', directory: refusingSettings.memory.mountPoint });
    expect(backing.reason).toContain('VOLUME_DEVICE_BUSY');
    expect(await guest.status()).toMatchObject({ state: 'failed', backing, error: { code: 'VOLUME_DEVICE_BUSY' } });
  });

  it('fails for a device that is not there, and is ready when it is asked for one that is', async () => {
    const settings = guestSettings('odd');
    await using guest = await start(settings);
    const missing: VolumeRequest = {
      source: { kind: 'deviceId', major: 254, minor: 4080 },
      mountPoint: mountPointOf(settings),
    };
    await expectFailure('VOLUME_DEVICE_MISSING', () => guest.prepare(missing));
    await expectFailure('VOLUME_DEVICE_MISSING', () => guest.backing());
    await expectFailure('VOLUME_DEVICE_MISSING', () => guest.prepare(byPath('/dev/nothing', settings)));
    expect(await guest.prepare(await byId('odd', settings))).toMatchObject({
      state: 'ready',
      backing: { kind: 'device' },
    });
    expect(await guest.backing()).toMatchObject({ kind: 'device' });
  });

  it('refuses a mount point in use, and a link in its place', async () => {
    const settings = guestSettings('occupied');
    await using guest = await start(settings);
    const { source } = await byId('other', settings);
    await vm().mustRun(['sh', '-c', 'mkdir /run/taken; mount -t tmpfs tmpfs /run/taken; ln -s /tmp /run/link']);
    for (const mountPoint of ['/run/taken', '/run/link', '/run/link/below']) {
      await expectFailure('VOLUME_MOUNT_FAILED', () => guest.prepare({ source, mountPoint }));
    }
    expect(await vm().mustRun(['dmsetup', 'ls'])).not.toContain('store-occupied');
    await vm().mustRun(['sh', '-c', 'umount /run/taken; rm -r /run/taken /run/link']);
  });

  it('never reads a key into a text', async () => {
    await using guest = await start(guestSettings('keys'));
    const { devicePath, deviceId } = await vm().disk('other');
    const key = '5ea1'.repeat(32);
    await vm().mustRun([
      'dmsetup',
      'create',
      'keys',
      '--table',
      `0 8192 crypt aes-xts-plain64 ${key} 0 ${devicePath} 0`,
    ]);
    expect(await vm().mustRun(['dmsetup', 'table', '--showkeys', 'keys'])).toContain(key);
    const mapping = await guest.call({ kind: 'readMapping', name: 'keys' });
    expect(mapping).toMatchObject({
      targets: [{ startSector: 0, sectors: 8192, type: 'crypt', parameters: `aes-xts-plain64 #64 0 ${deviceId} 0` }],
    });
    expect(await guest.call({ kind: 'readMapping', name: 'no-such-mapping' })).toBeNull();
    await vm().mustRun(['dmsetup', 'remove', 'keys']);
  });

  it('keeps its state in memory or not at all', async () => {
    await vm().mustRun([
      'sh',
      '-c',
      'mkdir -p /var/lib/disk; mkfs.ext4 -q -F "$1"; mount -t ext4 "$1" /var/lib/disk',
      'sh',
      (await vm().disk('control')).devicePath,
    ]);
    await using guest = await start(guestSettings('state', { stateDir: '/var/lib/disk/state' }));
    await expect(guest.status()).rejects.toThrow(/VOLUME_STATE_INVALID|expected \/var\/lib\/disk\/state on a tmpfs/);
    await vm().mustRun(['umount', '/var/lib/disk']);
  });
});
