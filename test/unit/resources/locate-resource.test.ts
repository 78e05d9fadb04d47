import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { createResourceLoader, inlineUri, loadText, locateResource } from '../../../src/resources/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const POLICY = { what: 'policy', maxBytes: 4096, code: 'POLICY_INVALID' } as const;

const UNKNOWN = { kind: 'unknown', expected: 'expected file:// and an absolute path' };

describe('locateResource', () => {
  it.each([
    ['/etc/policy.json', { kind: 'file', path: '/etc/policy.json' }],
    ['file:///etc/policy.json', { kind: 'file', path: '/etc/policy.json' }],
    ['kbs:///default/security-policy/test', { kind: 'broker', resource: expect.anything() }],
    ['sealed.a.b.c', { kind: 'sealed', secret: 'sealed.a.b.c' }],
    ['file://relative', UNKNOWN],
    ['https://a.io/policy.json', UNKNOWN],
    ['policy.json', UNKNOWN],
    ['/nul\0', UNKNOWN],
    ['', UNKNOWN],
  ])('reads the scheme of %j', (uri, location) => {
    expect(locateResource(uri)).toEqual(location);
  });
});

describe('the resource loader', () => {
  it('returns the text of an inline document', async () => {
    const text = '{ "ä": "\u{1f512}" }';
    expect(await loadText(createResourceLoader(), inlineUri(text), POLICY)).toBe(text);
  });

  it.each([
    ['kbs:///default/security-policy/test', 'a document of the key broker cannot be fetched'],
    ['kbs:///default/security-policy', 'expected kbs:///repository/type/tag or kbs+PLUGIN:///path'],
    ['https://a.io/policy.json', 'expected file:// and an absolute path'],
  ])('refuses %s', async (uri, reason) => {
    const { message } = await expectFailure('CONFIG_UNSUPPORTED', () => createResourceLoader().load(uri, POLICY));
    expect(message).toBe(`load policy ${uri}: ${reason}`);
  });

  it('opens the key broker anew after a failure, and once for all documents after that', async () => {
    let tries = 0;
    const broker = {
      fetchResource: async () => Buffer.from('policy'),
      unsealSecret: async () => Buffer.from('secret'),
    };
    const loader = createResourceLoader(async () => {
      tries += 1;
      if (tries === 1) throw new SealiftError('KEYBROKER_UNAVAILABLE', 'not yet');
      return broker;
    });
    const load = () => loader.load('kbs:///a/b/c', POLICY);
    await expectFailure('KEYBROKER_UNAVAILABLE', load);
    expect([await load(), await load()].map(String)).toEqual(['policy', 'policy']);
    expect(tries).toBe(2);
  });
});
