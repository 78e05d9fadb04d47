import { describe, expect, it } from 'vitest';
import { createResourceLoader, inlineUri, loadText, locateResource } from '../../../src/resources/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const POLICY = { what: 'policy', maxBytes: 4096, code: 'POLICY_INVALID' } as const;

describe('locateResource', () => {
  it.each([
    ['/etc/policy.json', { kind: 'file', path: '/etc/policy.json' }],
    ['file:///etc/policy.json', { kind: 'file', path: '/etc/policy.json' }],
    ['kbs:///default/security-policy/test', { kind: 'broker' }],
    ['KBS://host/a/b/c', { kind: 'broker' }],
    ['kbs+plugin:///a/b/c', { kind: 'broker' }],
    ['file://relative', { kind: 'unknown' }],
    ['https://a.io/policy.json', { kind: 'unknown' }],
    ['policy.json', { kind: 'unknown' }],
    ['/nul\0', { kind: 'unknown' }],
    ['', { kind: 'unknown' }],
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
    ['https://a.io/policy.json', 'expected file:// and an absolute path'],
  ])('refuses %s', async (uri, reason) => {
    const { message } = await expectFailure('CONFIG_UNSUPPORTED', () => createResourceLoader().load(uri, POLICY));
    expect(message).toBe(`load policy ${uri}: ${reason}`);
  });
});
