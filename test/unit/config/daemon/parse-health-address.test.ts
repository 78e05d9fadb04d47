import { describe, expect, it } from 'vitest';
import type { HealthAddress } from '../../../../src/config/daemon/types.ts';
import { resolveSample } from '../../../support/daemons/daemon-texts.ts';
import { expectFailure } from '../../../support/matchers.ts';

const resolve = (health: string) =>
  resolveSample({ toml: `[api]\nhealth = ${JSON.stringify(health)}` }).api.health.value;

describe('api.health', () => {
  it('is nowhere unless it is set', () => {
    expect(resolveSample({}).api.health).toMatchObject({ value: undefined, origin: 'default' });
  });

  it.each<[string, HealthAddress]>([
    ['unix:///run/sealift/health.sock', { kind: 'unix', path: '/run/sealift/health.sock' }],
    ['/run/sealift/health.sock', { kind: 'unix', path: '/run/sealift/health.sock' }],
    ['127.0.0.1:9464', { kind: 'tcp', host: '127.0.0.1', port: 9_464 }],
    ['127.1.2.3:65535', { kind: 'tcp', host: '127.1.2.3', port: 65_535 }],
    ['[::1]:1', { kind: 'tcp', host: '::1', port: 1 }],
  ])('%s', (text, address) => {
    expect(resolve(text)).toEqual(address);
  });

  it.each([
    '',
    '9464',
    ':9464',
    '0.0.0.0:9464',
    '[::]:9464',
    '10.0.0.1:9464',
    '128.0.0.1:9464',
    '127.0.0.1',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '127.0.0.1:94640000',
    '127.1:9464',
    '127.0.0.256:9464',
    '127.0.0.1.example:9464',
    'localhost:9464',
    '[::ffff:127.0.0.1]:9464',
    'http://127.0.0.1:9464',
    'unix://run/health.sock',
    'run/health.sock',
    '/run/a\u0000b',
  ])('refuses %j', async (text) => {
    const error = await expectFailure('CONFIG_FILE_INVALID', () => resolve(text));
    expect(error.message).toContain('api.health');
  });
});
