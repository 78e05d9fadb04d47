import { describe, expect, it } from 'vitest';
import { SealiftError, toPlainError } from '../../../src/errors/index.ts';
import { runBench, STORE_STATUS } from './cli-bench.ts';

const FAILURE = toPlainError(new SealiftError('VOLUME_DEVICE_FAILED', 'image store: 254:0: EIO \u001b[2J'));

describe('sealift store status', () => {
  it('says where the store lies and why, and what is in it', async () => {
    const { exitCode, stdout, calls } = await runBench(['store', 'status', '-c', 'cdh.toml']);
    expect(exitCode).toBe(0);
    expect(calls).toMatchObject([{ command: 'store status', options: { configFile: '/cwd/cdh.toml' } }]);
    expect(stdout.toString()).toBe(
      [
        'state      ready',
        'store      device, /run/kata-containers/image',
        'reason     image store on 254:0',
        'device     254:0 /dev/vda, 2.0 GB, sectors of 512 bytes',
        'mapping    sealift-image-store, 1.9 GB',
        'cipher     aes-xts-plain64',
        'integrity  hmac-sha256',
        'space      120.0 MB of 1.8 GB used, 1.7 GB free',
        'content    images: 2, layers: 5, mounted: 1',
        'emptyDir   /run/kata-containers/sandbox/storage/YQ== on 254:16, ready, 1.0 MB of 900.0 MB used',
        '',
      ].join('\n'),
    );
  });

  it('prints one document with --json', async () => {
    const { stdout } = await runBench(['store', 'status', '--json']);
    const { error: _, ...known } = STORE_STATUS;
    expect(JSON.parse(stdout.toString())).toEqual({ schema: 1, result: JSON.parse(JSON.stringify(known)) });
  });

  it('ends with the code of what keeps the store from being used, and drives no terminal', async () => {
    const storeStatus = {
      ...STORE_STATUS,
      state: 'failed',
      place: undefined,
      space: undefined,
      error: FAILURE,
    } as const;
    const { exitCode, stdout } = await runBench(['store', 'status'], { storeStatus });
    expect(exitCode).toBe(7);
    expect(stdout.toString()).toContain('store      none: pulls are refused\n');
    expect(stdout.toString()).toMatch(/^error {6}.*\[VOLUME_DEVICE_FAILED\]$/m);
    expect(stdout.toString()).not.toContain('\u001b');
  });

  it('ends well where memory stands in for a device that failed, and tells of it', async () => {
    const place = { kind: 'memory', directory: '/run/kata-containers/image-memory', reason: 'not required' } as const;
    const { exitCode, stdout } = await runBench(['store', 'status'], {
      storeStatus: { ...STORE_STATUS, state: 'failed', place, error: FAILURE },
    });
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toContain('store      memory, /run/kata-containers/image-memory');
    expect(stdout.toString()).toContain('VOLUME_DEVICE_FAILED');
  });

  it('says that memory is used where the pod has no disk, and keeps the state of the disk in --json', async () => {
    const place = { kind: 'memory', directory: '/run/image-memory', reason: 'no device for the image store' } as const;
    const storeStatus = { ...STORE_STATUS, state: 'absent', place, device: undefined, mapping: undefined } as const;
    const { exitCode, stdout } = await runBench(['store', 'status'], { storeStatus });
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toMatch(
      /^state {6}memory is used; there is no disk\nstore {6}memory, \/run\/image-memory\n/,
    );
    const asJson = await runBench(['store', 'status', '--json'], { storeStatus });
    expect(JSON.parse(asJson.stdout.toString())).toMatchObject({ result: { state: 'absent' } });
  });

  it('names its only subcommand when there is none', async () => {
    const { exitCode, stderr } = await runBench(['store']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('store: expected a command: status\n');
    expect(stderr).toContain('code: USAGE\n');
  });
});
