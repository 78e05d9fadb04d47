import { describe, expect, it } from 'vitest';
import { parseRealm } from '../../../src/registry/realm.ts';
import { expectFailure } from '../../support/matchers.ts';

const PUBLIC = new URL('https://registry.example/v2/');
const PLAIN = new URL('http://registry.example/v2/');
const LOCAL = new URL('http://127.0.0.1:5000/v2/');

describe('parseRealm', () => {
  it.each([
    ['https://auth.example/token', PUBLIC],
    ['https://registry.example/token?account=x', PUBLIC],
    ['http://auth.example/token', PLAIN],
    ['http://127.0.0.1:5001/token', LOCAL],
    ['http://192.168.1.1/token', LOCAL],
    ['https://auth.example/token', LOCAL],
  ])('accepts %s from %s', (realm, registry) => expect(parseRealm(realm, registry).href).toBe(realm));

  it.each([
    '',
    '/token',
    'auth.example/token',
    'http://auth.example/token',
    'ftp://auth.example/token',
    'file:///etc/passwd',
    'javascript:1',
    'https://user@auth.example/token',
    'https://user:pass@auth.example/token',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/token',
    'https://[::ffff:127.0.0.1]/token',
    'https://127.0.0.1/token',
    'https://2130706433/token',
    'https://0x7f000001/token',
    'https://017700000001/token',
    'https://localhost/token',
    'https://0/token',
    'https://224.0.0.1/token',
  ])('refuses %s from a public registry over https', async (realm) => {
    await expectFailure('REGISTRY_AUTH_UNSUPPORTED', () => parseRealm(realm, PUBLIC));
  });

  it('does not repeat a password', async () => {
    const error = await expectFailure('REGISTRY_AUTH_UNSUPPORTED', () => parseRealm('https://u:hunter2@a/', PUBLIC));
    expect(error.message).not.toContain('hunter2');
  });
});
