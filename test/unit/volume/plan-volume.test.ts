import { describe, expect, it } from 'vitest';
import type { IntegrityAlgorithm } from '../../../src/config/index.ts';
import { blocksReadByMkfs, planVolume } from '../../../src/volume/plan-volume.ts';
import { expectFailure } from '../../support/matchers.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function plan(bytes: number, integrity: IntegrityAlgorithm = 'hmac-sha256', sectorBytes = 512) {
  const device = { deviceId: '254:0', path: '/dev/vda', bytes, sectorBytes, diskseq: '9' };
  return planVolume(device, { mapperName: 'store', integrity, headerPath: '/run/state/header', purpose: 'imageStore' });
}

function planEmptyDir(bytes: number, bytesPerInode?: number) {
  const device = { deviceId: '254:0', path: '/dev/vda', bytes, sectorBytes: 512, diskseq: '9' };
  const names = { mapperName: 'volume', headerPath: '/run/state/header' };
  return planVolume(device, { ...names, integrity: 'hmac-sha256', purpose: 'emptyDir', bytesPerInode });
}

function parameterOf(parameters: readonly string[], name: string): string | undefined {
  return parameters[parameters.indexOf(name) + 1];
}

describe('planVolume', () => {
  it('keeps header and passphrase off the disk and off the command line', () => {
    const { format, open } = plan(GIB);
    for (const parameters of [format, open]) {
      expect(parameterOf(parameters, '--header')).toBe('/run/state/header');
      expect(parameterOf(parameters, '--key-file')).toBe('-');
      expect(parameters).toContain('--batch-mode');
    }
    expect(format.at(-1)).toBe('/dev/vda');
    expect(open.slice(-2)).toEqual(['/dev/vda', 'store']);
  });

  it('formats without wiping, and opens without the journal', () => {
    const { format, open } = plan(GIB);
    expect(format).toEqual(expect.arrayContaining(['--integrity-no-wipe', '--sector-size', 'pbkdf2']));
    expect(parameterOf(format, '--sector-size')).toBe('4096');
    expect(open).toContain('--integrity-no-journal');
    expect(open).not.toContain('--allow-discards');
  });

  it.each([
    { integrity: 'hmac-sha256', cipher: 'aes-xts-plain64', size: '512', keyBytes: 96, how: 'hmac-sha256' },
    { integrity: 'aegis128', cipher: 'aegis128-random', size: '128', keyBytes: 16, how: 'aead' },
  ] as const)('authenticates every block with $integrity', ({ integrity, cipher, size, keyBytes, how }) => {
    const { format, expected } = plan(GIB, integrity);
    expect(parameterOf(format, '--cipher')).toBe(cipher);
    expect(parameterOf(format, '--key-size')).toBe(size);
    expect(parameterOf(format, '--integrity')).toBe(how);
    expect(expected).toMatchObject({ keyBytes, tagBytes: 32, device: { deviceId: '254:0', diskseq: '9' } });
  });

  it.each([
    { bytes: 64 * MIB, inodes: 4_039 },
    { bytes: 256 * MIB, inodes: 16_132 },
    { bytes: GIB, inodes: 16_384 },
    { bytes: 10 * GIB, inodes: 80_776 },
    { bytes: 250 * GIB, inodes: 262_144 },
    { bytes: 8_192 * GIB, inodes: 262_144 },
  ])('makes $inodes inodes on $bytes bytes', ({ bytes, inodes }) => {
    const { filesystem } = plan(bytes);
    expect(parameterOf(filesystem, '-N')).toBe(String(inodes));
    expect(parameterOf(filesystem, '-E')).toBe('lazy_itable_init=0,nodiscard');
    expect(parameterOf(filesystem, '-O')?.split(',')).not.toContain('has_journal');
    expect(filesystem.includes('-G')).toBe(bytes > 1_024 * GIB);
  });

  it.each([
    { bytes: 64 * MIB, bytesPerInode: 163_840, inodes: 4_039 },
    { bytes: 10 * GIB, bytesPerInode: 163_840, inodes: 64_621 },
    { bytes: 250 * GIB, bytesPerInode: 163_840, inodes: 1_625_292 },
    { bytes: 250 * GIB, bytesPerInode: 67_108_864, inodes: 16_384 },
    { bytes: 250 * GIB, bytesPerInode: undefined, inodes: 262_144 },
  ])('makes $inodes inodes on $bytes bytes for one in $bytesPerInode', ({ bytes, bytesPerInode, inodes }) => {
    expect(parameterOf(planEmptyDir(bytes, bytesPerInode).filesystem, '-N')).toBe(String(inodes));
  });

  it('protects an emptyDir as it protects the image store', () => {
    const [store, volume] = [plan(GIB), planEmptyDir(GIB)];
    expect(volume.format).toEqual(store.format.map((each) => each));
    expect(volume.expected).toEqual({ ...store.expected, name: 'volume' });
    expect(volume.filesystem).toEqual(store.filesystem);
  });

  it('says of a small emptyDir what to raise', async () => {
    const error = await expectFailure('VOLUME_DEVICE_INVALID', () => planEmptyDir(MIB));
    expect(error.hint).toBe('raise the sizeLimit of the emptyDir volume');
  });

  it.each([0, 512, MIB, 64 * MIB - 512])('refuses %i bytes, and says what to raise', async (bytes) => {
    const error = await expectFailure('VOLUME_DEVICE_INVALID', () => plan(bytes));
    expect(error.context).toMatchObject({ expected: 64 * MIB, actual: bytes });
    expect(error.hint).toContain('contrast.edgeless.systems/image-store-size');
  });
});

describe('blocksReadByMkfs', () => {
  it('names the superblock and its copies', () => {
    const output = [
      'mke2fs 1.47.0 (5-Feb-2023)',
      'Creating filesystem with 258049 4k blocks and 16384 inodes',
      'Filesystem UUID: 2aed345f-db23-4677-999a-d5dd9b3d3407',
      'Superblock backups stored on blocks: ',
      '\t32768, 98304, ',
      '\t229376',
      '',
      '',
    ].join('\n');
    expect(blocksReadByMkfs(output)).toEqual([0, 32_768, 98_304, 229_376]);
  });

  it('names the superblock alone where there are no copies', () => {
    expect(blocksReadByMkfs('Creating filesystem with 16156 4k blocks and 4048 inodes\n\n')).toEqual([0]);
  });
});
