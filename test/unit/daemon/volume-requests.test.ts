import { describe, expect, it } from 'vitest';
import { createVolumeRequests } from '../../../src/daemon/volume-requests.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import type { VolumeStatus, Volumes } from '../../../src/volume/index.ts';
import type { VolumeRequest } from '../../../src/volume/types.ts';
import { resolveSample } from '../../support/daemons/daemon-texts.ts';
import { SILENT_LOGGER } from '../../support/daemons/silent-logger.ts';
import { expectFailure } from '../../support/matchers.ts';

const STORAGE = '/run/kata-containers/sandbox/storage';
const STORE = '/run/kata-containers/image';
const MEMORY = { kind: 'memory', directory: '/run/kata-containers/image-memory', reason: 'not required' } as const;
const STATUS: VolumeStatus = {
  state: 'ready',
  ...{ backing: undefined, device: undefined, mountPoint: undefined, mapping: undefined },
  ...{ cipher: undefined, integrity: undefined, space: undefined, error: undefined, stuckPrograms: 0 },
};

function world(failure?: SealiftError) {
  const seen = { store: [] as VolumeRequest[], containers: [] as VolumeRequest[] };
  const answer = (requests: VolumeRequest[]) => async (request: VolumeRequest) => {
    requests.push(request);
    if (failure !== undefined) throw failure;
    return STATUS;
  };
  const volumes: Volumes = {
    imageStore: {
      prepare: answer(seen.store),
      summary: () => ({ ...STATUS, backing: MEMORY }),
      backing: async () => MEMORY,
      status: async () => STATUS,
      reportStall: () => undefined,
      close: () => undefined,
    },
    containers: {
      mount: answer(seen.containers),
      owns: (path) => path === `${STORAGE}/mounted`,
      sweep: async () => undefined,
      summaries: () => [],
    },
    close: () => undefined,
  };
  const loaded = { configuration: resolveSample({}), failure: undefined };
  const requests = createVolumeRequests({ loaded, volumes, log: SILENT_LOGGER });
  const mount = (mountPoint: string, options: Readonly<Record<string, string>> = {}, volumeType = 'block-device') =>
    requests.secureMount({
      volumeType,
      options: new Map(Object.entries({ ...OPTIONS, ...options })),
      flags: [],
      mountPoint,
      requestId: 'r',
      signal: new AbortController().signal,
    });
  return { mount, seen };
}

const OPTIONS = {
  ...{ deviceId: '254:16', sourceType: 'empty', targetType: 'fileSystem', filesystemType: 'ext4' },
  ...{ encryptionType: 'luks2', dataIntegrity: 'true', mkfsOpts: '-O ^has_journal -m 0 -i 163840 -I 128' },
};
const SOURCE = { kind: 'deviceId', major: 254, minor: 16 };

describe('SecureMount of the daemon', () => {
  it('makes a disk the image store, or mounts it for containers, by its mount point', async () => {
    const { mount, seen } = world();
    expect(await mount(`${STORE}/`)).toEqual({ mountPath: STORE });
    expect(await mount(`${STORAGE}/YQ==`)).toEqual({ mountPath: `${STORAGE}/YQ==` });
    expect(seen).toEqual({
      store: [{ source: SOURCE, mountPoint: STORE }],
      containers: [{ source: SOURCE, mountPoint: `${STORAGE}/YQ==`, bytesPerInode: 163_840 }],
    });
  });

  it('gives memory instead of the image store where that is allowed, and never instead of an emptyDir', async () => {
    const { mount } = world(new SealiftError('VOLUME_DEVICE_INVALID', 'as the test wants it'));
    expect(await mount(STORE)).toEqual({ mountPath: MEMORY.directory });
    await expectFailure('VOLUME_DEVICE_INVALID', () => mount(`${STORAGE}/YQ==`));
  });

  it.each([
    ['another mount point', '/run/elsewhere', {}, 'block-device'],
    ['another kind of volume', '/run/elsewhere', {}, 'alibaba-cloud-oss'],
    ['a key from outside', `${STORAGE}/YQ==`, { sourceType: 'encrypted', key: 'kbs:///default/key/1' }, 'block-device'],
    ['a ZFS pool', `${STORAGE}/YQ==`, { encryptionType: 'zfs' }, 'block-device'],
    ['a bare device', '/dev/mapped', { targetType: 'device' }, 'block-device'],
  ])('says that it is not ours to serve: %s', async (_, mountPoint, options, volumeType) => {
    const { mount, seen } = world();
    expect(await mount(mountPoint, options, volumeType)).toMatchObject({
      notOurs: { code: 'VOLUME_REQUEST_UNSUPPORTED' },
    });
    expect(seen).toEqual({ store: [], containers: [] });
  });

  it.each([
    ['over the image store', STORE, { encryptionType: 'zfs' }],
    ['inside of the image store', `${STORE}/store/layers`, {}],
    ['over all of Sealift’s directories', '/run', {}],
    ['over the memory for images', MEMORY.directory, {}],
    ['over the records', '/run/sealift/volumes/x', {}],
    ['over a volume that is mounted', `${STORAGE}/mounted`, { encryptionType: 'zfs' }],
    ['at a path that leads to the image store', `/run/elsewhere/../kata-containers/image`, { encryptionType: 'zfs' }],
    ['at a path with double slashes', '/run//kata-containers/image', { encryptionType: 'zfs' }],
    ['nowhere', '', { encryptionType: 'zfs' }],
  ])('lets no other program mount anything %s', async (_, mountPoint, options) => {
    const { mount } = world();
    await expectFailure('VOLUME_REQUEST_UNSUPPORTED', () => mount(mountPoint, options));
  });

  it('refuses a malformed request instead of passing it on', async () => {
    const { mount } = world();
    await expectFailure('VOLUME_REQUEST_INVALID', () => mount('/run/elsewhere', { deviceId: '254' }));
    await expectFailure('VOLUME_REQUEST_INVALID', () => mount(`${STORAGE}/../../image`));
  });
});
