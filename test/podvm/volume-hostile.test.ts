import { beforeAll, expect, it } from 'vitest';
import { SealiftError } from '../../src/errors/index.ts';
import type { VolumeStatus } from '../../src/volume/index.ts';
import type { VolumeRequest, VolumeSettings } from '../../src/volume/types.ts';
import { describeWith } from '../support/machine/needs.ts';
import type { GuestDisk } from '../support/podvm/types.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { guestSettings, installVolumeGuest, mountPointOf, VolumeGuest } from '../support/podvm/volume-guest.ts';
import { IS_SOAK } from '../support/soak.ts';

const MIB = 1 << 20;
const WORDS = 'known words that must not reach the host';
/** struct superblock of dm-integrity.c: fields at the beginning of the disk. */
const SUPERBLOCK = { interleave: 9, tagBytes: 10, journalSections: 12, dataSectors: 16, flags: 24 } as const;
const PIECE_BYTES = 512;
const PIECES = (16 * 1024) / PIECE_BYTES;
const ALL_PIECES = Array.from({ length: PIECES }, (_, piece) => piece);
/** The short run rewrites the superblock, what follows it, and one piece in the middle. */
const REWRITTEN = IS_SOAK ? ALL_PIECES : ALL_PIECES.filter((piece) => piece < 2 || piece === 16);
const HMAC_CIPHER = 'crypt capi:authenc(hmac(sha256),xts(aes))-plain64 :96:logon:';

describeWith(POD_VM_NEEDS, 'the image store on a hostile disk', () => {
  const vm = usePodVm({
    name: 'volume-hostile',
    disks: [
      { serial: 'rewritten', size: 64 * MIB },
      { serial: 'null-cipher', size: 64 * MIB },
      { serial: 'exchanged', size: 64 * MIB },
    ],
  });

  beforeAll(() => installVolumeGuest(vm()));

  const shell = (script: string, ...parameters: string[]) => vm().mustRun(['sh', '-c', script, 'sh', ...parameters]);

  async function requestFor(disk: GuestDisk, settings: VolumeSettings): Promise<VolumeRequest> {
    const [major = 0, minor = 0] = disk.deviceId.split(':').map(Number);
    return { source: { kind: 'deviceId', major, minor }, mountPoint: mountPointOf(settings) };
  }

  /**
   * Asserts that the store works with its cipher, its tags and its whole length, and that the host sees nothing of it.
   */
  async function assertWhole(settings: VolumeSettings, disk: GuestDisk): Promise<void> {
    const mountPoint = mountPointOf(settings);
    await shell(
      `echo "$2" > "$1/file"; sync; echo 3 > /proc/sys/vm/drop_caches; grep -qx "$2" "$1/file"`,
      mountPoint,
      WORDS,
    );
    const tables = await vm().mustRun(['dmsetup', 'table']);
    expect(tables).toContain(`${settings.mapperName}: 0 129248 ${HMAC_CIPHER}`);
    expect(tables).toContain(' 0 2 integrity:32:aead sector_size:4096\n');
    expect(tables).toContain(
      `${settings.mapperName}_dif: 0 129248 integrity ${disk.deviceId} 0 32 D 5 block_size:4096 journal_sectors:792 interleave_sectors:32768 buffer_sectors:128 fix_padding`,
    );
    expect(await disk.image.find(Buffer.from(WORDS))).toBeUndefined();
  }

  /** One process for all attempts: each begins in the state that the previous one left. */
  let attempts = 0;
  let attacked: VolumeGuest | undefined;
  const settings = guestSettings('attacked');
  const GO_ON = '/run/go-attacked';

  /** Prepares the volume while the host acts between format and open; returns the code of the refusal. */
  async function prepareWhile(disk: GuestDisk, meddle: () => void): Promise<string> {
    attacked ??= await VolumeGuest.start(vm(), { settings, pauseAt: 'volume-formatted', goOn: GO_ON });
    attempts += 1;
    const preparing = attacked.prepare(await requestFor(disk, settings));
    const ended: Promise<VolumeStatus | SealiftError> = preparing.catch((error: SealiftError) => error);
    await attacked.paused();
    meddle();
    await vm().dropCaches();
    await vm().writeFile(`${GO_ON}.${attempts}`, '');
    const end = await ended;
    if (end instanceof SealiftError) {
      expect(await vm().mustRun(['dmsetup', 'ls'])).not.toContain(settings.mapperName);
      return end.code;
    }
    expect(end.state).toBe('ready');
    await assertWhole(settings, disk);
    // A volume without its mount is lost, and the next attempt recreates it.
    await vm().mustRun(['umount', mountPointOf(settings)]);
    return 'ready';
  }

  it('is whole when nobody meddles', async () => {
    expect(await prepareWhile(await vm().disk('rewritten'), () => undefined)).toBe('ready');
  });

  it(`gives an error or a whole store when one of the first ${PIECES} pieces is rewritten (${REWRITTEN.length} tried)`, async () => {
    const disk = await vm().disk('rewritten');
    const outcomes: string[] = [];
    for (const piece of REWRITTEN) {
      const outcome = await prepareWhile(disk, () => {
        const bytes = disk.image.read(piece * PIECE_BYTES, PIECE_BYTES);
        disk.image.write(
          piece * PIECE_BYTES,
          bytes.map((byte) => byte ^ 0xff),
        );
      });
      outcomes.push(outcome);
    }
    // The superblock is in the first one; and most of the others say nothing.
    expect(outcomes[0]).toBe('VOLUME_PROGRAM_FAILED');
    expect(outcomes).toContain('ready');
    const allowed = ['ready', 'VOLUME_PROGRAM_FAILED', 'VOLUME_TABLE_MISMATCH', 'VOLUME_DEVICE_FAILED'];
    expect(outcomes.filter((outcome) => !allowed.includes(outcome))).toEqual([]);
  });

  it.each([
    { what: 'fewer sectors of data', offset: SUPERBLOCK.dataSectors, bytes: [0xd8, 0xf8, 1, 0, 0, 0, 0, 0] },
    { what: 'a longer journal, and less data', offset: SUPERBLOCK.journalSections, bytes: [4, 0, 0, 0, 0, 0xf0, 1] },
    { what: 'another interleaving', offset: SUPERBLOCK.interleave, bytes: [14] },
    { what: 'the old padding', offset: SUPERBLOCK.flags, bytes: [0] },
  ])('refuses a superblock that is valid and has $what', async ({ offset, bytes }) => {
    const disk = await vm().disk('rewritten');
    const outcome = await prepareWhile(disk, () => disk.image.write(offset, Buffer.from(bytes)));
    expect(['VOLUME_TABLE_MISMATCH', 'VOLUME_PROGRAM_FAILED']).toContain(outcome);
  });

  it('notices a table that was asked for in another way', async () => {
    // The one mismatch that certainly opens: less data than there is.
    const disk = await vm().disk('rewritten');
    const outcome = await prepareWhile(disk, () =>
      disk.image.write(SUPERBLOCK.dataSectors, Buffer.from([0, 0xf0, 1, 0, 0, 0, 0, 0])),
    );
    expect(outcome).toBe('VOLUME_TABLE_MISMATCH');
  });

  // CVE-2025-59054, CVE-2025-58356: the host writes a header to the disk that opens with any passphrase.
  it('does not care for a LUKS2 header with a null cipher', async () => {
    const disk = await vm().disk('null-cipher');
    await shell(
      `set -e
       echo anything | cryptsetup -q luksFormat --type luks2 --cipher cipher_null-ecb --key-size 128 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$1" -
       echo anything | cryptsetup open --key-file - "$1" trap
       echo "$2" | dd of=/dev/mapper/trap bs=4096 conv=sync oflag=direct 2>/dev/null
       cryptsetup close trap`,
      disk.devicePath,
      WORDS,
    );
    // The trap works: what is written through it is there for the host to read.
    expect(await disk.image.find(Buffer.from(WORDS))).toBeGreaterThan(MIB);
    disk.image.write((await disk.image.find(Buffer.from(WORDS))) ?? 0, Buffer.alloc(WORDS.length));
    const untrapped = guestSettings('null');
    await using guest = await VolumeGuest.start(vm(), { settings: untrapped });
    expect(await guest.prepare(await requestFor(disk, untrapped))).toMatchObject({ state: 'ready' });
    await assertWhole(untrapped, disk);
  });

  it('refuses another disk in the place of the one it has begun with', async () => {
    const exchanged = guestSettings('exchanged');
    const goOn = '/run/go-exchanged';
    const disk = await vm().disk('exchanged');
    await using guest = await VolumeGuest.start(vm(), { settings: exchanged, pauseAt: 'volume-claimed', goOn });
    const preparing = guest.prepare(await requestFor(disk, exchanged));
    const ended = preparing.catch((error: SealiftError) => error);
    await guest.paused();
    await vm().unplugDisk('exchanged');
    const replacement = await vm().plugDisk({ serial: 'replacement', size: 64 * MIB });
    await vm().writeFile(`${goOn}.1`, '');
    const end = await ended;
    expect(end).toMatchObject({ code: 'VOLUME_DEVICE_CHANGED' });
    expect(replacement.image.allocatedBytes()).toBe(0);
    expect(await vm().mustRun(['dmsetup', 'ls'])).not.toContain(exchanged.mapperName);
  });
});
