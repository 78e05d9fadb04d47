import { describe, expect, it } from 'vitest';
import type { DaemonFacts } from '../../../src/daemon/index.ts';
import { SealiftError, toPlainError } from '../../../src/errors/index.ts';
import { describeHealth } from '../../../src/health/describe-health.ts';
import { healthFacts } from './health-sample.ts';

const ERROR = toPlainError(new SealiftError('VOLUME_DEVICE_FAILED', 'image store: 254:0: EIO'));
const RESIDENT = { rssBytes: 3, anonymousBytes: 1, fileBytes: 2 };
const MEMORY = { kind: 'memory', directory: '/run/kata-containers/image-memory', reason: 'no device' } as const;

describe('describeHealth', () => {
  it('says where images go, what is under way, and nothing more', () => {
    const pulls = { ...healthFacts().pulls, underWay: 3 };
    const { status, body } = describeHealth(healthFacts({ pulls }), RESIDENT);
    expect(status).toBe(200);
    expect(JSON.parse(JSON.stringify(body))).toEqual({
      schema: 1,
      status: 'ok',
      version: '1.2.3',
      uptimeSeconds: 12,
      store: { state: 'ready', place: 'device', reason: 'image store on 254:0', integrity: 'hmac-sha256' },
      pulls: { underWay: 3 },
      stuckThreads: 0,
      stuckPrograms: 0,
      memory: RESIDENT,
    });
  });

  it.each<[string, number, Partial<DaemonFacts>, Partial<DaemonFacts['volume']>]>([
    ['memory for want of a device', 200, {}, { state: 'absent', backing: MEMORY }],
    ['a device that is being prepared: pulls wait for it', 200, {}, { state: 'preparing', backing: undefined }],
    ['a device that failed', 503, {}, { state: 'failed', backing: undefined, error: ERROR }],
    ['memory in place of a device that failed', 200, {}, { state: 'failed', backing: MEMORY, error: ERROR }],
    ['a disk that hangs', 503, {}, { state: 'stalled', backing: undefined, error: ERROR }],
    ['a configuration that cannot be honoured', 503, { obstacle: new SealiftError('CONFIG_UNSUPPORTED', 'no') }, {}],
    ['a thread that hangs', 503, { stuckThreads: 1, obstacle: new SealiftError('STORE_STALLED', 'hangs') }, {}],
  ])('%s: %i', (_, status, change, volume) => {
    const described = describeHealth(healthFacts(change, volume), RESIDENT);
    expect(described.status).toBe(status);
    expect(described.body).toMatchObject({ status: status === 200 ? 'ok' : 'unavailable' });
  });

  it('says why not, with code and remedy', () => {
    const obstacle = new SealiftError('CONFIG_UNSUPPORTED', 'image.sigstore_config_uri: not built', {
      hint: 'take it out',
    });
    const { body } = describeHealth(
      healthFacts({ obstacle }, { state: 'failed', backing: undefined, error: ERROR }),
      RESIDENT,
    );
    expect(body).toMatchObject({
      obstacle: { code: 'CONFIG_UNSUPPORTED', message: 'image.sigstore_config_uri: not built', hint: 'take it out' },
      store: { error: { code: 'VOLUME_DEVICE_FAILED', message: 'image store: 254:0: EIO' } },
    });
    expect(JSON.stringify(body)).not.toContain('causes');
  });
});
