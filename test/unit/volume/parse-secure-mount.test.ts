import { describe, expect, it } from 'vitest';
import { parseSecureMount } from '../../../src/volume/index.ts';
import type { MountBounds, SecureMountRequest } from '../../../src/volume/types.ts';
import { expectFailure } from '../../support/matchers.ts';

const STORAGE = '/run/kata-containers/sandbox/storage';
const BOUNDS: MountBounds = { imageStore: '/run/kata-containers/image', mountRoots: [STORAGE, '/run/other'] };

/** A request as the kata agent sends it (cdh_handler_trusted_storage). */
const OPTIONS = {
  deviceId: '254:16',
  sourceType: 'empty',
  targetType: 'fileSystem',
  filesystemType: 'ext4',
  mkfsOpts: '-E lazy_journal_init',
  encryptionType: 'luks2',
  dataIntegrity: 'true',
};

function request(options: Readonly<Record<string, string | undefined>>, changes: Partial<SecureMountRequest> = {}) {
  const merged = Object.entries({ ...OPTIONS, ...options });
  return {
    volumeType: 'block-device',
    flags: [],
    mountPoint: '/run/kata-containers/image/',
    options: new Map(merged.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))),
    ...changes,
  };
}

interface Row {
  readonly what: string;
  readonly options?: Readonly<Record<string, string | undefined>>;
  readonly changes?: Partial<SecureMountRequest>;
}

const SOURCE = { kind: 'deviceId', major: 254, minor: 16 };
const READY = { purpose: 'imageStore', request: { source: SOURCE, mountPoint: '/run/kata-containers/image' } };

describe('parseSecureMount', () => {
  it('accepts the request of the kata agent', () => {
    expect(parseSecureMount(request({}), BOUNDS)).toEqual(READY);
  });

  it.each([
    { what: 'without mkfsOpts', options: { mkfsOpts: undefined } },
    { what: 'with other mkfsOpts', options: { mkfsOpts: '-O journal_dev; rm -rf /' } },
    { what: 'without dataIntegrity', options: { dataIntegrity: undefined } },
    { what: 'with dataIntegrity=false', options: { dataIntegrity: 'false' } },
  ])('requests the same volume $what', ({ options }) => {
    expect(parseSecureMount(request(options), BOUNDS)).toEqual(READY);
  });

  it('accepts a path below /dev, and uses the numbers if both are given', () => {
    const path = '/dev/disk/by-id/virtio-image_store';
    const byPath = parseSecureMount(request({ deviceId: undefined, devicePath: path }), BOUNDS);
    expect(byPath.request.source).toEqual({ kind: 'devicePath', path });
    expect(parseSecureMount(request({ devicePath: path }), BOUNDS)).toEqual(READY);
  });

  it('accepts a directory below a root', () => {
    const { purpose, request: accepted } = parseSecureMount(request({}, { mountPoint: '/run/other/a/b' }), BOUNDS);
    expect({ purpose, mountPoint: accepted.mountPoint }).toEqual({ purpose: 'emptyDir', mountPoint: '/run/other/a/b' });
  });

  it('accepts an emptyDir as the kata agent asks for it, with its density of inodes', () => {
    const mountPoint = `${STORAGE}/L3Zhci9saWIva3ViZWxldC9wb2Rz`;
    const mkfsOpts = '-O ^has_journal -m 0 -i 163840 -I 128';
    expect(parseSecureMount(request({ mkfsOpts }, { mountPoint }), BOUNDS)).toEqual({
      purpose: 'emptyDir',
      request: { source: SOURCE, mountPoint, bytesPerInode: 163_840 },
    });
  });

  it.each([
    ['-i 16384', 16_384],
    ['-i 67108864', 67_108_864],
    ['-i 16383', undefined],
    ['-i 67108865', undefined],
    ['-i 0', undefined],
    ['-i -1', undefined],
    ['-i 1e9', undefined],
    ['-i16384', undefined],
    ['--i 16384', undefined],
    ['-O ^metadata_csum,-i 16384;', undefined],
    ['-E lazy_itable_init=1 -N 999999999', undefined],
    ['', undefined],
  ])('takes nothing of mkfsOpts=%j but the density %s', (mkfsOpts, bytesPerInode) => {
    const parsed = parseSecureMount(request({ mkfsOpts }, { mountPoint: `${STORAGE}/a` }), BOUNDS);
    expect(parsed.request).toEqual({
      source: SOURCE,
      mountPoint: `${STORAGE}/a`,
      ...(bytesPerInode && { bytesPerInode }),
    });
    // The image store has none of it.
    expect(parseSecureMount(request({ mkfsOpts }), BOUNDS)).toEqual(READY);
  });

  it.each<Row>([
    { what: 'another volume type', changes: { volumeType: 'alibaba-cloud-oss' } },
    { what: 'flags', changes: { flags: ['ro'] } },
    { what: 'a source with contents', options: { sourceType: 'encrypted' } },
    { what: 'no source type', options: { sourceType: undefined } },
    { what: 'ZFS', options: { encryptionType: 'zfs' } },
    { what: 'no encryption', options: { encryptionType: undefined } },
    { what: 'LUKS1', options: { encryptionType: 'luks1' } },
    { what: 'a bare device', options: { targetType: 'device' } },
    { what: 'xfs', options: { filesystemType: 'xfs' } },
    { what: 'a key from outside', options: { key: 'kbs:///default/key/1' } },
    { what: 'a name for the mapping', options: { mapperName: 'root' } },
    { what: 'an option of the prototype', options: { constructor: 'x' } },
    { what: 'a mount point out of the roots', changes: { mountPoint: '/run/kata-containers/imagery' } },
    { what: 'a mount point above the roots', changes: { mountPoint: '/run' } },
    { what: 'a root itself', changes: { mountPoint: STORAGE } },
    { what: 'a directory of the image store', changes: { mountPoint: '/run/kata-containers/image/store' } },
  ])('refuses $what', async ({ options = {}, changes = {} }) => {
    await expectFailure('VOLUME_REQUEST_UNSUPPORTED', () => parseSecureMount(request(options, changes), BOUNDS));
  });

  it.each<Row>([
    { what: 'no device', options: { deviceId: undefined } },
    { what: 'an empty number', options: { deviceId: '' } },
    { what: 'a number alone', options: { deviceId: '254' } },
    { what: 'three numbers', options: { deviceId: '254:16:1' } },
    { what: 'a negative number', options: { deviceId: '-1:0' } },
    { what: 'hexadecimal numbers', options: { deviceId: '0xfe:0' } },
    { what: 'a major number that is too large', options: { deviceId: '4096:0' } },
    { what: 'a minor number that is too large', options: { deviceId: '254:1048576' } },
    { what: 'a line end', options: { deviceId: '254:16\n' } },
    { what: 'a path out of /dev', options: { deviceId: undefined, devicePath: '/tmp/disk' } },
    { what: 'a path that climbs out of /dev', options: { deviceId: undefined, devicePath: '/dev/../tmp/disk' } },
    { what: 'a path with a NUL', options: { deviceId: undefined, devicePath: '/dev/vda\0b' } },
    { what: '/dev itself', options: { deviceId: undefined, devicePath: '/dev/' } },
    { what: 'no mount point', changes: { mountPoint: '' } },
    { what: 'the root', changes: { mountPoint: '/' } },
    { what: 'a relative mount point', changes: { mountPoint: 'run/other' } },
    { what: 'a mount point that climbs', changes: { mountPoint: '/run/other/../../etc' } },
    { what: 'a mount point with a NUL', changes: { mountPoint: '/run/other/a\0b' } },
    { what: 'an empty name in the mount point', changes: { mountPoint: '/run/other//a' } },
  ])('refuses $what as malformed', async ({ options = {}, changes = {} }) => {
    await expectFailure('VOLUME_REQUEST_INVALID', () => parseSecureMount(request(options, changes), BOUNDS));
  });
});
