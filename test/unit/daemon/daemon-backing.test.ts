import { mkdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DaemonConfiguration } from '../../../src/config/index.ts';
import { daemonBacking, memoryBacking, recordedBacking } from '../../../src/daemon/index.ts';
import { SealiftError, toPlainError } from '../../../src/errors/index.ts';
import type { VolumeBacking, VolumeStatus } from '../../../src/volume/index.ts';
import { resolveSample } from '../../support/daemons/daemon-texts.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const DISK: VolumeBacking = { kind: 'device', directory: '/run/disk', reason: 'ready', mappingUuid: 'CRYPT-1' };
const ABSENT: VolumeStatus = {
  state: 'absent',
  backing: undefined,
  device: undefined,
  mountPoint: undefined,
  mapping: undefined,
  cipher: undefined,
  integrity: undefined,
  space: undefined,
  error: undefined,
  stuckPrograms: 0,
};

describe('the backing of the daemon’s store', () => {
  let scratch: Scratch;
  let settings: DaemonConfiguration;

  beforeEach(() => {
    scratch = new Scratch('backing');
    settings = resolveSample({ toml: `[store]\nstate = "${scratch.path}"\n` });
  });
  afterEach(() => scratch[Symbol.dispose]());

  it('requires trees on a disk, whose index is apart for each mapping', () => {
    expect(daemonBacking(settings, DISK)).toMatchObject({
      dataDir: '/run/disk/store',
      stateDir: scratch.join('store-CRYPT-1'),
      trees: 'required',
      allowDirectories: false,
    });
  });

  it('requires none in memory, which the host cannot reach', () => {
    expect(memoryBacking(settings, 'test')).toMatchObject({
      dataDir: '/run/kata-containers/image-memory/store',
      stateDir: scratch.join('memory'),
      trees: 'unused',
      allowDirectories: true,
    });
  });

  it('allows directories on a disk where the configuration does', () => {
    const allowing = resolveSample({ toml: '[volume]\nallow_directory_layers = true\n' });
    expect(daemonBacking(allowing, DISK)).toMatchObject({ trees: 'required', allowDirectories: true });
  });

  describe('as another process finds it', () => {
    it('is the recorded one, once a pull has made its state', async () => {
      const status = { ...ABSENT, state: 'ready', backing: DISK } as const;
      const { message } = await expectFailure('STORE_INVALID', () => recordedBacking(settings, status));
      expect(message).toContain(scratch.join('store-CRYPT-1'));
      mkdirSync(scratch.join('store-CRYPT-1'));
      expect(recordedBacking(settings, status)).toEqual(daemonBacking(settings, DISK));
    });

    it('is refused with the error of a device that failed', async () => {
      const error = toPlainError(new SealiftError('VOLUME_DEVICE_FAILED', 'image store: read error'));
      await expectFailure('VOLUME_DEVICE_FAILED', () =>
        recordedBacking(settings, { ...ABSENT, state: 'failed', error }),
      );
      await expectFailure('STORE_INVALID', () => recordedBacking(settings, { ...ABSENT, state: 'preparing' }));
    });
  });
});
